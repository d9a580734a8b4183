//! Bad paths, methods, queries and headers: a clear no in the shape of every other no, or no matter.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;
use uuid::Uuid;

use crate::support::world::World;

/// Paths that lead nowhere.
const NOWHERE: &str = "/ // /v1 /v1/orders/ /v2/orders /v1/orders/42 /v1/orders/%00 /v1/orders/%FF /.env /%2e%2e/ \
                       /v1/orders/../../etc/passwd /v1/skus/unknown /v1/skus/ /docs/unknown";

/// Queries of a list that cannot be answered.
const UNFIT_QUERIES: &str = "limit=0 limit=101 limit=-1 limit=many limit= limit=99999999999999999999 \
                             limit=1&limit=2 status=accepted status= status=held%00 status=%FF after=42 after= page=2";

#[tokio::test]
async fn unknown_paths_methods_and_queries_are_problems_like_all_others() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for path in NOWHERE.split(' ') {
        let answer = shop.get(path).await;
        assert_eq!((answer.status, answer.problem()), (404, "not-found"), "{path}");
    }
    // What is no UTF-8 names nothing of ours; whose fault it is called does not matter.
    for path in ["/v1/skus/%FF", "/docs/%FF"] {
        let answer = shop.get(path).await;
        assert!(["malformed", "not-found", "unprocessable"].contains(&answer.problem()), "{path} {answer:?}");
    }
    let order = format!("/v1/orders/{}", Uuid::now_v7());
    let calls = [
        ("DELETE", "/v1/orders", "GET,HEAD,POST"),
        ("BREW", "/v1/orders", "GET,HEAD,POST"),
        ("PUT", &order, "GET,HEAD"),
        ("GET", &format!("{order}/cancel"), "POST"),
        ("DELETE", "/v1/wallet", "GET,HEAD"),
        ("POST", "/v1/skus/mug", "GET,HEAD,PATCH,PUT"),
        ("POST", "/readyz", "GET,HEAD"),
        ("POST", "/metrics", "GET,HEAD"),
    ];
    for (method, path, allowed) in calls {
        let answer = shop.send(shop.request(method.parse().unwrap(), path)).await;
        assert_eq!((answer.status, answer.problem()), (405, "method-not-allowed"), "{method} {path}");
        let mut methods: Vec<_> = answer.headers["allow"].to_str().unwrap().split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
    for query in UNFIT_QUERIES.split(' ') {
        let answer = shop.get(&format!("/v1/orders?{query}")).await;
        assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{query}");
    }
    world.finish().await;
}

#[tokio::test]
async fn odd_headers_are_ignored() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let place = |name: &'static str, value: &[u8]| {
        let key = Uuid::now_v7().to_string();
        let request = shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", key);
        let body = json!({"items": [{"sku": "mug", "quantity": 1}]});
        shop.send(request.header(name, HeaderValue::from_bytes(value).unwrap()).json(&body))
    };
    // A preference that makes no sense is no preference: the answer comes at once.
    for value in
        ["wait=", "wait=-1", "wait=soon", "wait=0", "wait", ";;,=,wait==5", "wait=99999999999999999999", "é"]
    {
        let answer = place("Prefer", value.as_bytes()).await;
        assert_eq!((answer.status, answer.headers.get("preference-applied")), (202, None), "{value}");
    }
    for name in ["traceparent", "Last-Event-ID", "Accept", "X-Forwarded-For", "Content-Encoding", "Cookie"] {
        for value in [&b"\xff"[..], b"' OR 1=1 --", b"00-zz", b"99999999999999999999999"] {
            assert_eq!(place(name, value).await.status, 202, "{name} {value:?}");
        }
    }
    world.finish().await;
}

//! Bad input: every stranger's request gets a clear no, and never an error of ours.

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::world::World;

/// A POST with a fresh key whose body is exactly these bytes, said to be JSON.
fn post(shop: &Client, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = shop.request(Method::POST, path).header("Idempotency-Key", Uuid::now_v7().to_string());
    request.header("Content-Type", "application/json").body(body)
}

async fn place(shop: &Client, body: impl Into<reqwest::Body>) -> Answer {
    shop.send(post(shop, "/v1/orders", body)).await
}

#[tokio::test]
async fn bytes_that_are_no_json_of_ours_are_refused_as_what_they_are() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let huge = format!(r#"{{"items":[{{"sku":"{}","quantity":1}}]}}"#, "x".repeat(65_536));
    let cases: [(&str, Vec<u8>, u16, &str); 18] = [
        ("nothing", vec![], 400, "malformed"),
        ("a brace", b"{".to_vec(), 400, "malformed"),
        ("no JSON", b"items=mug".to_vec(), 400, "malformed"),
        ("a comma too many", br#"{"items":[],}"#.to_vec(), 400, "malformed"),
        ("two documents", br#"{"items":[]}{}"#.to_vec(), 400, "malformed"),
        ("not a number", br#"{"items":[{"sku":"a","quantity":NaN}]}"#.to_vec(), 400, "malformed"),
        ("invalid UTF-8", b"{\"items\":[{\"sku\":\"\xff\xfe\",\"quantity\":1}]}".to_vec(), 400, "malformed"),
        ("half a surrogate pair", br#"{"items":[{"sku":"\ud800","quantity":1}]}"#.to_vec(), 400, "malformed"),
        ("a raw NUL", b"{\"items\":[{\"sku\":\"a\0\",\"quantity\":1}]}".to_vec(), 400, "malformed"),
        ("17 deep", deep(17).into_bytes(), 400, "malformed"),
        ("30,000 deep", deep(30_000).into_bytes(), 400, "malformed"),
        ("30,000 deep and never closed", "[".repeat(30_000).into_bytes(), 400, "malformed"),
        ("30,000 objects deep", r#"{"items":"#.repeat(7_000).into_bytes(), 400, "malformed"),
        ("16 deep but not ours", deep(16).into_bytes(), 422, "unprocessable"),
        ("null", b"null".to_vec(), 422, "unprocessable"),
        (
            "a list instead of an object",
            br#"[[{"sku":"mug","quantity":1}],60]"#.to_vec(),
            422,
            "unprocessable",
        ),
        ("one byte above 64 KiB", vec![b' '; 65_537], 413, "too-large"),
        ("JSON above 64 KiB", huge.into_bytes(), 413, "too-large"),
    ];
    for (what, body, status, problem) in cases {
        let answer = place(&shop, body).await;
        assert_eq!((answer.status, answer.problem()), (status, problem), "{what}");
    }
    // Exactly 64 KiB is read, and refused for what it says only.
    assert_eq!(place(&shop, vec![b' '; 65_536]).await.problem(), "malformed");

    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("json")] {
        let request = shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", "key-1").body("{}");
        let request = match content_type {
            Some(content_type) => request.header("Content-Type", content_type),
            None => request,
        };
        let answer = shop.send(request).await;
        assert_eq!((answer.status, answer.problem()), (415, "not-json"), "{content_type:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn orders_that_break_a_rule_are_refused_at_the_door() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let good = json!({"sku": "mug", "quantity": 1});
    let item = |quantity: &str| format!(r#"{{"items":[{{"sku":"mug","quantity":{quantity}}}]}}"#);
    let quantities = [
        "0",
        "-1",
        "1.5",
        "1.0",
        "1e3",
        "\"2\"",
        "1001",
        "2147483648",
        "9223372036854775808",
        "-9223372036854775809",
        "1e30",
        "null",
        "true",
        "[1]",
        "{}",
    ];
    let mut bodies: Vec<String> = quantities.into_iter().map(item).collect();
    for sku in [
        "",
        "mug/blue",
        "a b",
        "a\u{0}b",
        "머그",
        "a\u{202e}b",
        "a\u{200b}b",
        &"x".repeat(65),
        "'; DROP TABLE orders; --",
    ] {
        bodies.push(json!({"items": [{"sku": sku, "quantity": 1}]}).to_string());
    }
    let skus: Vec<Value> = (0..51).map(|n| json!({"sku": format!("sku-{n}"), "quantity": 1})).collect();
    for items in [
        json!(skus),
        json!([]),
        json!({}),
        json!("mug"),
        json!(null),
        json!([[good]]),
        json!([{"sku": "mug", "quantity": 600}, {"sku": "mug", "quantity": 600}]),
        json!([{"sku": "mug"}]),
        json!([{"quantity": 1}]),
    ] {
        bodies.push(json!({"items": items}).to_string());
    }
    for field in [
        "price",
        "price_won",
        "amount_won",
        "status",
        "customer",
        "customer_id",
        "order_id",
        "expires_at",
        "__proto__",
    ] {
        bodies.push(json!({"items": [good], field: 1}).to_string());
        bodies.push(json!({"items": [{"sku": "mug", "quantity": 1, field: 1}]}).to_string());
    }
    for seconds in ["0", "-1", "86401", "1.5", "\"60\"", "9223372036854775807", "1e2"] {
        bodies.push(format!(r#"{{"items":[{{"sku":"mug","quantity":1}}],"hold_seconds":{seconds}}}"#));
    }
    bodies.push(r#"{"items":[{"sku":"mug","quantity":1}],"items":[{"sku":"mug","quantity":1}]}"#.to_owned());
    bodies.push(r#"{"items":[{"sku":"mug","quantity":1,"quantity":2}]}"#.to_owned());
    for body in bodies {
        let answer = place(&shop, body.clone()).await;
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(answer.problem(), "unprocessable");
    }
    assert_eq!(world.depth("order.hold").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn other_calls_that_break_a_rule_are_refused_at_the_door_too() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    // An order that waits in its queue is enough to ask for something.
    let order = shop.place_async("key-1", "mug", 1, 60).await;
    let (pay, extend) = (
        format!("/v1/orders/{}/payments", order.text("id")),
        format!("/v1/orders/{}/extend", order.text("id")),
    );
    let charge = "/v1/wallet/charges".to_owned();
    let cases = [
        (
            &pay,
            vec![
                "{}",
                r#"{"method":"cash"}"#,
                r#"{"method":null}"#,
                r#"{"method":"wallet","amount_won":1}"#,
                r#"{"method":"wallet","method":"wallet"}"#,
                r#"["wallet"]"#,
            ],
        ),
        (
            &extend,
            vec![
                r#"{"extend_seconds":0}"#,
                r#"{"extend_seconds":-1}"#,
                r#"{"extend_seconds":3601}"#,
                r#"{"extend_seconds":"60"}"#,
                r#"{"expires_at":"2999-01-01T00:00:00Z"}"#,
            ],
        ),
        (
            &charge,
            vec![
                "{}",
                r#"{"amount_won":0}"#,
                r#"{"amount_won":-5}"#,
                r#"{"amount_won":100001}"#,
                r#"{"amount_won":1.5}"#,
                r#"{"amount_won":"5"}"#,
                r#"{"amount_won":9223372036854775807}"#,
                "[5]",
                r#"{"amount_won":5,"customer":"bob"}"#,
            ],
        ),
    ];
    for (path, bodies) in cases {
        for body in bodies {
            let answer = shop.send(post(&shop, path, body)).await;
            assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{path} {body}");
        }
    }
    let good = json!({"name": "Mug", "price_won": 1, "on_hand": 1});
    let changes = [
        json!({"name": ""}),
        json!({"name": "a\u{0}b"}),
        json!({"name": "a\nb"}),
        json!({"name": "x".repeat(201)}),
        json!({"price_won": -1}),
        json!({"price_won": 1_000_000_000_001i64}),
        json!({"price_won": 1.5}),
        json!({"on_hand": -1}),
        json!({"on_hand": 1_000_000_001}),
        json!({"on_hand": i64::MIN}),
        json!({"discount_ratio": 1.1}),
        json!({"discount_ratio": -0.1}),
        json!({"discount_ratio": 0.00001}),
        json!({"max_per_customer": 0}),
        json!({"reserved": 0}),
    ];
    for change in changes {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = shop.put("/v1/skus/mug", &body).await;
        assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{change}");
    }
    for code in ["a%20b", "%00", "%EB%A8%B8", "a%2Fb", &"x".repeat(65)] {
        assert_eq!(shop.put(&format!("/v1/skus/{code}"), &good).await.problem(), "unprocessable", "{code}");
        assert_eq!(shop.get(&format!("/v1/skus/{code}")).await.problem(), "not-found", "{code}");
    }
    assert_eq!(world.count("SELECT count(*) FROM skus").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn unknown_paths_methods_and_queries_are_problems_like_all_others() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let id = Uuid::now_v7();
    for path in [
        "/",
        "/v1",
        "/v1/orders/",
        "/v2/orders",
        "/v1/orders/42",
        "/v1/orders/%00",
        "/v1/orders/%FF",
        "/.env",
        "/v1/orders/../../etc/passwd",
        "/v1/skus/unknown",
        "/v1/skus/",
        "//",
        "/%2e%2e/",
        "/docs/unknown",
    ] {
        let answer = shop.get(path).await;
        assert_eq!((answer.status, answer.problem()), (404, "not-found"), "{path}");
    }
    // What is no UTF-8 names nothing of ours; whose fault it is called does not matter.
    for path in ["/v1/skus/%FF", "/docs/%FF"] {
        let answer = shop.get(path).await;
        assert!(["malformed", "not-found", "unprocessable"].contains(&answer.problem()), "{path} {answer:?}");
    }
    let calls = [
        ("DELETE", "/v1/orders".to_owned(), "GET,HEAD,POST"),
        ("PUT", format!("/v1/orders/{id}"), "GET,HEAD"),
        ("GET", format!("/v1/orders/{id}/cancel"), "POST"),
        ("DELETE", "/v1/wallet".to_owned(), "GET,HEAD"),
        ("POST", "/v1/skus/mug".to_owned(), "GET,HEAD,PUT"),
        ("POST", "/readyz".to_owned(), "GET,HEAD"),
        ("BREW", "/v1/orders".to_owned(), "GET,HEAD,POST"),
        ("POST", "/metrics".to_owned(), "GET,HEAD"),
    ];
    for (method, path, allowed) in calls {
        let answer = shop.send(shop.request(method.parse().unwrap(), &path)).await;
        assert_eq!((answer.status, answer.problem()), (405, "method-not-allowed"), "{method} {path}");
        let mut methods: Vec<_> = answer.headers["allow"].to_str().unwrap().split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=many",
        "limit=",
        "status=accepted",
        "status=",
        "status=held%00",
        "after=42",
        "after=",
        "page=2",
        "limit=1&limit=2",
        "status=%FF",
        "limit=99999999999999999999",
    ] {
        let answer = shop.get(&format!("/v1/orders?{query}")).await;
        assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{query}");
    }
    world.finish().await;
}

#[tokio::test]
async fn odd_headers_are_ignored_or_refused() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let place = |name: &'static str, value: &[u8]| {
        let body = json!({"items": [{"sku": "mug", "quantity": 1}]});
        let request =
            shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", Uuid::now_v7().to_string());
        shop.send(request.header(name, HeaderValue::from_bytes(value).unwrap()).json(&body))
    };
    // A preference that makes no sense is no preference: the answer comes at once.
    let preferences: [&[u8]; 8] = [
        b"wait=",
        b"wait=-1",
        b"wait=soon",
        b"wait=0",
        b"wait",
        b";;,=,wait==5",
        b"\xff\xfe",
        b"wait=99999999999999999999",
    ];
    for value in preferences {
        let answer = place("Prefer", value).await;
        assert_eq!((answer.status, answer.headers.get("preference-applied")), (202, None), "{value:?}");
    }
    let ignored: [(&str, &[u8]); 6] = [
        ("traceparent", b"\xff"),
        ("traceparent", b"00-zz"),
        ("Last-Event-ID", b"\xff"),
        ("Accept", b"\xff"),
        ("X-Forwarded-For", b"' OR 1=1"),
        ("Content-Encoding", b"\xff"),
    ];
    for (name, value) in ignored {
        assert_eq!(place(name, value).await.status, 202, "{name} {value:?}");
    }
    world.finish().await;
}

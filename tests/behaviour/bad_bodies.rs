//! Bad bodies: what is no JSON, what is too much of it, and what breaks a rule.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::world::World;

/// One order that breaks a rule per line; GOOD stands for an item that does not.
const UNFIT_ORDERS: &str = r#"
{}
{"items":[]}
{"items":{}}
{"items":"mug"}
{"items":null}
{"items":[[GOOD]]}
{"items":[{"sku":"mug"}]}
{"items":[{"quantity":1}]}
{"items":[{"sku":"mug","quantity":600},{"sku":"mug","quantity":600}]}
{"items":[{"sku":"mug","quantity":1,"quantity":2}]}
{"items":[GOOD],"items":[GOOD]}
{"items":[GOOD],"hold_seconds":0}
{"items":[GOOD],"hold_seconds":-1}
{"items":[GOOD],"hold_seconds":86401}
{"items":[GOOD],"hold_seconds":1.5}
{"items":[GOOD],"hold_seconds":1e2}
{"items":[GOOD],"hold_seconds":"60"}
{"items":[GOOD],"hold_seconds":9223372036854775807}
{"items":[{"sku":"","quantity":1}]}
{"items":[{"sku":"mug/blue","quantity":1}]}
{"items":[{"sku":"a b","quantity":1}]}
{"items":[{"sku":"a\u0000b","quantity":1}]}
{"items":[{"sku":"a\u202eb","quantity":1}]}
{"items":[{"sku":"a\u200bb","quantity":1}]}
{"items":[{"sku":"머그","quantity":1}]}
{"items":[{"sku":"'; DROP TABLE orders; --","quantity":1}]}
{"items":[{"sku":7,"quantity":1}]}
"#;

/// Quantities that are no quantity.
const UNFIT_QUANTITIES: &str =
    r#"0 -1 1.5 1.0 1e3 "2" 1001 2147483648 9223372036854775808 -9223372036854775809 1e30 null true [1] {}"#;

/// What the server decides and no client may say.
const OURS: &str = "price price_won amount_won status customer customer_id order_id expires_at __proto__";

/// A call with a body that breaks a rule per line.
const UNFIT_CALLS: &str = r#"
/v1/orders/ID/payments {}
/v1/orders/ID/payments {"method":"cash"}
/v1/orders/ID/payments {"method":null}
/v1/orders/ID/payments {"method":"wallet","amount_won":1}
/v1/orders/ID/payments {"method":"wallet","method":"wallet"}
/v1/orders/ID/payments ["wallet"]
/v1/orders/ID/extend {"extend_seconds":0}
/v1/orders/ID/extend {"extend_seconds":-1}
/v1/orders/ID/extend {"extend_seconds":3601}
/v1/orders/ID/extend {"extend_seconds":"60"}
/v1/orders/ID/extend {"expires_at":"2999-01-01T00:00:00Z"}
/v1/wallet/charges {}
/v1/wallet/charges {"amount_won":0}
/v1/wallet/charges {"amount_won":-5}
/v1/wallet/charges {"amount_won":100001}
/v1/wallet/charges {"amount_won":1.5}
/v1/wallet/charges {"amount_won":"5"}
/v1/wallet/charges {"amount_won":9223372036854775807}
/v1/wallet/charges {"amount_won":5,"customer":"bob"}
/v1/wallet/charges [5]
"#;

/// A change that makes a good SKU break a rule per line.
const UNFIT_SKUS: &str = r#"
{"name":""}
{"name":"a\u0000b"}
{"name":"a\nb"}
{"name":null}
{"price_won":-1}
{"price_won":1000000000001}
{"price_won":1.5}
{"price_won":"5"}
{"on_hand":-1}
{"on_hand":1000000001}
{"on_hand":-9223372036854775808}
{"discount_ratio":1.1}
{"discount_ratio":-0.1}
{"discount_ratio":0.00001}
{"max_per_customer":0}
{"reserved":0}
"#;

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
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let long = format!(r#"{{"items":[{{"sku":"{}","quantity":1}}]}}"#, "x".repeat(65_536));
    let malformed: [&[u8]; 13] = [
        b"",
        b"{",
        b"items=mug",
        br#"{"items":[],}"#,
        br#"{"items":[]}{}"#,
        br#"{"items":[{"sku":"a","quantity":NaN}]}"#,
        br#"{"items":[{"sku":"\ud800","quantity":1}]}"#,
        b"{\"items\":[{\"sku\":\"\xff\xfe\",\"quantity\":1}]}",
        b"{\"items\":[{\"sku\":\"a\0\",\"quantity\":1}]}",
        &deep(17),
        &deep(30_000),
        &[b'['; 60_000],
        &r#"{"items":"#.repeat(7_000).into_bytes(),
    ];
    for body in malformed {
        let answer = place(&shop, body.to_vec()).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "malformed"),
            "{}",
            String::from_utf8_lossy(body)
        );
    }
    for body in [b"null".to_vec(), deep(16), br#"[[{"sku":"mug","quantity":1}],60]"#.to_vec()] {
        assert_eq!(place(&shop, body).await.problem(), "unprocessable");
    }
    for body in [vec![b' '; 65_537], long.into_bytes(), vec![b'['; 1 << 20]] {
        let answer = place(&shop, body).await;
        assert_eq!((answer.status, answer.problem()), (413, "too-large"));
    }
    // Exactly 64 KiB is read, and refused for what it says only.
    assert_eq!(place(&shop, vec![b' '; 65_536]).await.problem(), "malformed");
    world.finish().await;
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let body = r#"{"items":[{"sku":"mug","quantity":1}]}"#;
    let request = || shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", "key-1").body(body);
    let not_json = shop.send(request()).await;
    assert_eq!((not_json.status, not_json.problem()), (415, "not-json"));
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "json", "application/jsonp", ""] {
        let answer = shop.send(request().header("Content-Type", content_type)).await;
        assert_eq!((answer.status, answer.problem()), (415, "not-json"), "{content_type}");
    }
    for content_type in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.shop+json"] {
        assert_eq!(
            shop.send(request().header("Content-Type", content_type)).await.status,
            202,
            "{content_type}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn orders_that_break_a_rule_are_refused_at_the_door() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let good = r#"{"sku":"mug","quantity":1}"#;
    let mut bodies: Vec<String> =
        UNFIT_ORDERS.trim().lines().map(|line| line.replace("GOOD", good)).collect();
    bodies.extend(
        UNFIT_QUANTITIES.split(' ').map(|text| format!(r#"{{"items":[{{"sku":"mug","quantity":{text}}}]}}"#)),
    );
    for field in OURS.split(' ') {
        bodies.push(format!(r#"{{"items":[{good}],"{field}":1}}"#));
        bodies.push(format!(r#"{{"items":[{{"sku":"mug","quantity":1,"{field}":1}}]}}"#));
    }
    let skus: Vec<Value> = (0..51).map(|n| json!({"sku": format!("sku-{n}"), "quantity": 1})).collect();
    bodies.push(json!({"items": skus}).to_string());
    bodies.push(json!({"items": [{"sku": "x".repeat(65), "quantity": 1}]}).to_string());
    for body in bodies {
        let answer = place(&shop, body.clone()).await;
        assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{body}");
    }
    assert_eq!(world.depth("order.hold").await, 0);

    // As many and as long as may be is no fault.
    let skus: Vec<Value> = (0..50).map(|n| json!({"sku": format!("{n:x>64}"), "quantity": 1_000})).collect();
    assert_eq!(place(&shop, json!({"items": skus, "hold_seconds": 86_400}).to_string()).await.status, 202);
    world.finish().await;
}

#[tokio::test]
async fn other_calls_that_break_a_rule_are_refused_at_the_door_too() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    // An order that waits in its queue is enough to ask for something.
    let order = shop.place_async("key-1", "mug", 1, 60).await;
    for line in UNFIT_CALLS.trim().lines() {
        let (path, body) = line.split_once(' ').unwrap();
        let answer = shop.send(post(&shop, &path.replace("ID", order.text("id")), body)).await;
        assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{line}");
    }
    let good = json!({"name": "Mug", "price_won": 1, "on_hand": 1});
    let long = json!({"name": "x".repeat(201)}).to_string();
    for line in UNFIT_SKUS.trim().lines().chain([long.as_str()]) {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(serde_json::from_str::<serde_json::Map<_, _>>(line).unwrap());
        let answer = shop.put("/v1/skus/mug", &body).await;
        assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{line}");
    }
    for code in ["a%20b", "%00", "%EB%A8%B8", "a%2Fb", &"x".repeat(65)] {
        assert_eq!(shop.put(&format!("/v1/skus/{code}"), &good).await.problem(), "unprocessable", "{code}");
        assert_eq!(shop.get(&format!("/v1/skus/{code}")).await.problem(), "not-found", "{code}");
    }
    assert_eq!(world.count("SELECT count(*) FROM skus").await, 0);
    world.finish().await;
}

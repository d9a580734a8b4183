//! Bytes nobody thought of: whatever a client sends, it gets an answer that is not our fault, and what is accepted
//! is decided.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

/// Every run draws the same values, so that a failure can be seen again.
fn draws<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// An answer that is not our fault: below 500, and a problem document if it is an error.
fn assert_in_order(answer: &Answer, what: &dyn std::fmt::Debug) {
    assert!(answer.status < 500, "{what:?} gave {answer:?}");
    if answer.status >= 400 {
        assert_eq!(
            answer.headers.get("content-type").unwrap(),
            "application/problem+json",
            "{what:?} gave {answer:?}"
        );
        assert_eq!(answer.body["status"], answer.status, "{what:?} gave {answer:?}");
        for member in ["type", "title", "detail"] {
            assert!(answer.body[member].is_string(), "{what:?} gave {answer:?}");
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2i64..60).prop_map(Value::from)
    ];
    let text = prop_oneof![".{0,20}", "[\\x00-\\x1f\u{202e}\u{200b}\u{feff}]{0,5}", "sku-[a-c]"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        let name = prop_oneof![".{0,8}", "items|sku|quantity|hold_seconds|method|amount_won|name|price_won"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6)
                .prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// Replaces, removes or adds one value somewhere in a document.
fn mutate(document: &mut Value, path: &[usize], new: Option<Value>) {
    let (&step, rest) = path.split_first().unwrap_or((&0, &[]));
    match document {
        Value::Object(fields) if !rest.is_empty() && !fields.is_empty() => {
            let index = step % fields.len();
            mutate(fields.values_mut().nth(index).unwrap(), rest, new);
        }
        Value::Array(items) if !rest.is_empty() && !items.is_empty() => {
            let index = step % items.len();
            mutate(&mut items[index], rest, new);
        }
        Value::Object(fields) if new.is_none() && !fields.is_empty() => {
            let name = fields.keys().nth(step % fields.len()).unwrap().clone();
            fields.remove(&name);
        }
        Value::Array(items) if step % 3 == 0 => items.extend(new),
        other => *other = new.unwrap_or_default(),
    }
}

/// The calls that take a body, each with one that is good.
fn calls(order: &str) -> [(Method, String, Value); 6] {
    let items = json!([{"sku": "sku-a", "quantity": 1}, {"sku": "sku-b", "quantity": 2}]);
    [
        (Method::POST, "/v1/orders".to_owned(), json!({"items": items, "hold_seconds": 60})),
        (
            Method::PUT,
            "/v1/skus/sku-a".to_owned(),
            json!({"name": "A", "price_won": 10, "on_hand": 9, "discount_ratio": 0.5}),
        ),
        (Method::PUT, "/v1/cart/items/sku-a".to_owned(), json!({"quantity": 3})),
        (Method::POST, "/v1/wallet/charges".to_owned(), json!({"amount_won": 5})),
        (Method::POST, format!("/v1/orders/{order}/payments"), json!({"method": "wallet"})),
        (Method::POST, format!("/v1/orders/{order}/extend"), json!({"extend_seconds": 5})),
    ]
}

async fn send(shop: &Client, method: &Method, path: &str, body: Vec<u8>) -> Answer {
    let request = shop.request(method.clone(), path).header("Idempotency-Key", Uuid::now_v7().to_string());
    shop.send(request.header("Content-Type", "application/json").body(body)).await
}

#[tokio::test]
async fn no_body_makes_an_error_of_ours_and_every_accepted_order_is_decided() {
    let (world, shop) = World::running().await;
    shop.stock("sku-a", 100).await;
    let order = shop.place("sku-a", 1, 86_400).await;
    let calls = calls(order.text("id"));

    let bytes = draws(&prop::collection::vec(any::<u8>(), 0..300), 100);
    let step = prop::collection::vec(0usize..8, 1..5);
    let changes =
        draws(&(0..calls.len(), prop::collection::vec((step, prop::option::of(any_json())), 1..3)), 300);
    let mut accepted = 0;
    for (turn, body) in bytes.into_iter().enumerate() {
        let (method, path, _) = &calls[turn % calls.len()];
        assert_in_order(&send(&shop, method, path, body.clone()).await, &(path, body));
    }
    for (call, mutations) in changes {
        let (method, path, good) = &calls[call];
        let mut body = good.clone();
        mutations.into_iter().for_each(|(path, new)| mutate(&mut body, &path, new));
        let answer = send(&shop, method, path, body.to_string().into_bytes()).await;
        assert_in_order(&answer, &(path, &body));
        accepted += i64::from(path == "/v1/orders" && answer.status == 202);
    }

    assert!(accepted > 0, "no mutation left an order whole, so this test says little");
    eventually("every accepted order is decided", async || {
        (world.count("SELECT count(*) FROM orders").await == accepted + 1).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn no_path_query_or_header_makes_an_error_of_ours() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let order = shop.place_async("key-1", "sku-a", 1, 60).await;
    let id = order.text("id");
    let paths = [
        "/v1/orders",
        "/v1/wallet",
        "/v1/skus/",
        "/v1/orders/",
        &format!("/v1/orders/{id}"),
        "/docs/",
        "/readyz",
    ]
    .map(str::to_owned);

    let encoded = prop::collection::vec(any::<u8>(), 0..12)
        .prop_map(|bytes| bytes.iter().map(|byte| format!("%{byte:02X}")).collect::<String>());
    let name = prop_oneof!["status|after|limit|page", ".{0,4}".prop_map(|_| "%".to_owned())];
    let query = prop::collection::vec((name, encoded.clone()), 0..3);
    let headers = [
        "Idempotency-Key",
        "Prefer",
        "Holdfast-Customer",
        "Authorization",
        "Last-Event-ID",
        "Accept",
        "traceparent",
        "Host",
        "Cookie",
    ];
    let value =
        prop::collection::vec(prop_oneof![0x20u8..=0x7e, 0x80u8..=0xff, Just(b'='), Just(b'"')], 0..40);
    let methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"];
    let requests =
        (0..methods.len(), 0..paths.len(), prop::option::of(encoded), query, 0..headers.len(), value);
    let http = reqwest::Client::new();
    for (method, path, tail, query, header, value) in draws(&requests, 300) {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!("{}{}?{}", paths[path], tail.unwrap_or_default(), query.join("&"));
        let mut request = shop.request(methods[method].parse().unwrap(), &path).build().unwrap();
        request.headers_mut().insert(headers[header], HeaderValue::from_bytes(&value).unwrap());
        let what = format!("{request:?}");
        let answer = shop.send(reqwest::RequestBuilder::from_parts(http.clone(), request)).await;
        assert_in_order(&answer, &what);
    }
    world.finish().await;
}

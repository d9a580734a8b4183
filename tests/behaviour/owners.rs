//! Whose order it is: to everyone else it does not exist.

use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::world::World;

/// Every documented call about one order. A new one is covered as soon as it is documented.
async fn calls_about_one_order(shop: &Client) -> Vec<(Method, String)> {
    let document = shop.get("/openapi.json").await.body;
    let paths = document["paths"].as_object().unwrap();
    let calls =
        paths.iter().filter(|(path, _)| path.starts_with("/v1/orders/{id}")).flat_map(|(path, methods)| {
            let methods =
                methods.as_object().unwrap().keys().filter_map(|name| name.to_uppercase().parse().ok());
            methods.map(|method| (method, path.clone())).collect::<Vec<(Method, String)>>()
        });
    calls.collect()
}

async fn call(shop: &Client, (method, path): &(Method, String), id: &str) -> Answer {
    let body = if path.ends_with("payments") { json!({"method": "wallet"}) } else { json!({}) };
    let request = shop.request(method.clone(), &path.replace("{id}", id)).header("Prefer", "wait=1");
    let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
    shop.send(request.json(&body)).await
}

#[tokio::test]
async fn another_customers_order_is_like_one_that_never_was() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    shop.charge(5_000).await;
    let held = shop.place("mug", 1, 60).await;
    let mallory = shop.as_customer("mallory");
    mallory.charge(5_000).await;
    let own_token = mallory.with_token(&world.token(Role::Customer, Some("mallory")).await);

    let calls = calls_about_one_order(&shop).await;
    assert!(calls.len() >= 5, "{calls:?}");
    for about in &calls {
        let never_was = call(&mallory, about, &Uuid::now_v7().to_string()).await;
        assert_eq!((never_was.status, never_was.problem()), (404, "not-found"), "{about:?}");
        for stranger in [&mallory, &own_token] {
            let refused = call(stranger, about, held.text("id")).await;
            // What only shops may do is forbidden to a customer, whichever order it is about.
            if refused.status == 403 {
                let own = call(stranger, about, &Uuid::now_v7().to_string()).await;
                assert!(about.1.ends_with("/refunds"), "{about:?}");
                assert_eq!(refused.body, own.body, "{about:?}");
                continue;
            }
            assert_eq!((refused.status, &refused.body), (404, &never_was.body), "{about:?}");
            let no_id = call(stranger, about, "42").await;
            assert_eq!((no_id.status, &no_id.body), (404, &never_was.body), "{about:?}");
        }
    }
    // Nothing was done to it behind the 404.
    assert_eq!(shop.order(held.text("id")).await.lasting(), held.lasting());
    assert_eq!(mallory.get("/v1/wallet").await.body["balance_won"], 5_000);
    assert_eq!(mallory.get("/v1/orders").await.body["orders"], json!([]));
    world.finish().await;
}

#[tokio::test]
async fn every_call_needs_a_token_but_for_what_anybody_may() {
    let (world, shop) = World::running().await;
    let document = shop.get("/openapi.json").await.body;
    let anonymous = reqwest::Client::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for name in methods.as_object().unwrap().keys() {
            let method: Method = name.to_uppercase().parse().unwrap();
            let path = path.replace("{id}", &Uuid::now_v7().to_string()).replace("{sku}", "mug");
            let answer =
                anonymous.request(method, format!("{}{path}", shop.base)).json(&json!({})).send().await;
            let answer = answer.unwrap();
            if path == "/readyz" {
                assert_eq!(answer.status(), 200);
                continue;
            }
            // Webhooks prove themselves by their signature, and here is no gateway to send any.
            if path.starts_with("/v1/webhooks/") {
                assert_eq!(answer.status(), 404);
                continue;
            }
            // Anybody may become a guest, look at products, and sign in if they can.
            if ["/v1/cart/guests", "/v1/sign-ins", "/v1/sessions"].contains(&path.as_str())
                || (path.starts_with("/v1/products") && name == "get")
            {
                assert!(
                    [200, 201, 404, 422].contains(&answer.status().as_u16()),
                    "{name} {path}: {answer:?}"
                );
                continue;
            }
            assert_eq!(answer.status(), 401, "{name} {path}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["type"], "urn:holdfast:problem:unauthenticated");
        }
    }
    world.finish().await;
}

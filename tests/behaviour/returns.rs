//! Customers who give back what they bought, for as long as the shop lets them.

use holdfast::store::operators::tokens::Role;
use serde_json::json;

use crate::support::client::Client;
use crate::support::world::World;

/// An order of three mugs, paid.
async fn paid(shop: &Client) -> String {
    let id = shop.place("mug", 3, 600).await.text("id").to_owned();
    assert_eq!(shop.pay(&id).await.status, 200);
    id
}

#[tokio::test]
async fn a_customer_gives_back_within_the_days_of_the_shop_and_the_units_are_sold_again() {
    let mut world = World::idle().await;
    world.return_days = 7;
    world.start_all_workers();
    let shop = world.start_api().await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    shop.stock("mug", 10).await;
    shop.charge(50_000).await;
    let id = paid(&shop).await;
    let path = format!("/v1/orders/{id}/refunds");
    let until = async || alice.order(&id).await.body.get("return_until").cloned();
    assert!(until().await.is_some());
    // What is not sold again is for the shop to say.
    for kept in [
        json!({"restock": false}),
        json!({"items": [{"sku": "mug", "quantity": 1, "restock": false}]}),
        json!({"items": [{"sku": "mug", "quantity": 1}], "restock": false}),
    ] {
        assert_eq!(alice.post(&path, &kept).await.status, 422, "{kept}");
    }
    let items = json!({"items": [{"sku": "mug", "quantity": 1}], "reason": "too many"});
    let back = alice.post_as("key-1", &path, &items).await;
    assert_eq!(
        (back.status, back.text("status"), &back.body["refunded_won"]),
        (200, "partly_refunded", &json!(1_000))
    );
    assert_eq!(
        (shop.available("mug").await, alice.get("/v1/wallet").await.body["balance_won"].as_i64()),
        (8, Some(48_000))
    );
    let listed = alice.get(&path).await;
    assert_eq!((listed.status, listed.body[0]["reason"].as_str()), (200, Some("too many")));
    // Another's is nobody's, paid or not.
    let bob = shop.as_customer("bob").with_token(&world.token(Role::Customer, Some("bob")).await);
    assert_eq!((bob.post(&path, &json!({})).await.status, bob.get(&path).await.status), (404, 404));
    // What is not paid has nothing to give back.
    let held = shop.place("mug", 1, 600).await;
    let refused = alice.post(&format!("/v1/orders/{}/refunds", held.text("id")), &json!({})).await;
    assert_eq!((refused.status, refused.problem()), (409, "wrong-state"));

    // A week later it is too late, but for what was asked before, and for the shop.
    world.execute("UPDATE orders SET created_at = created_at - interval '8 days', closed_at = closed_at - interval '8 days' WHERE status = 'partly_refunded'").await;
    let late = alice.post(&path, &json!({})).await;
    assert_eq!((late.status, late.problem()), (409, "return-too-late"));
    assert_eq!(until().await, None);
    assert!(late.text("detail").contains("7 days"), "{late:?}");
    assert_eq!(alice.post_as("key-1", &path, &items).await.status, 200);
    assert_eq!(shop.post(&path, &json!({})).await.text("status"), "refunded");
    world.finish().await;
}

#[tokio::test]
async fn a_shop_that_gives_no_days_gives_back_by_itself() {
    let (world, shop) = World::running().await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    shop.stock("mug", 10).await;
    shop.charge(50_000).await;
    let path = format!("/v1/orders/{}/refunds", paid(&shop).await);
    assert!(alice.get(path.strip_suffix("/refunds").unwrap()).await.body.get("return_until").is_none());
    let refused = alice.post(&path, &json!({})).await;
    assert_eq!((refused.status, refused.problem()), (403, "forbidden"));
    assert_eq!((alice.get(&path).await.status, alice.get(&path).await.body), (200, json!([])));
    world.finish().await;
}

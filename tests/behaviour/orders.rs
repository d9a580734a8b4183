//! Orders: place, pay, expire, cancel, extend, read.

use serde_json::json;

use crate::support::world::World;

#[tokio::test]
async fn an_order_is_held_with_snapshots_and_its_amount_is_the_sum() {
    let (world, shop) = World::running().await;
    let mug = json!({"name": "Mug", "price_won": 999, "on_hand": 5, "discount_ratio": 0.15});
    assert_eq!(shop.put("/v1/skus/mug", &mug).await.status, 201);
    shop.stock("tee", 3).await;

    let items =
        json!([{"sku": "mug", "quantity": 2}, {"sku": "tee", "quantity": 1}, {"sku": "mug", "quantity": 1}]);
    let held = shop.post("/v1/orders", &json!({"items": items})).await;

    assert_eq!(held.status, 201, "{held:?}");
    assert_eq!(held.body["amount_won"], 3 * 850 + 1_000);
    let mug = json!({"sku": "mug", "name": "Mug", "quantity": 3, "unit_price_won": 999, "discount_ratio": 0.15,
                     "amount_won": 2_550});
    assert_eq!(held.body["items"][0], mug);
    assert_eq!(held.headers["preference-applied"], "wait=30");
    assert_eq!(shop.available("mug").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn an_unpaid_order_expires_and_the_next_buyer_gets_its_unit() {
    let (world, shop) = World::running().await;
    shop.stock("last", 1).await;
    let first = shop.place("last", 1, 1).await;
    assert_eq!(shop.as_customer("bob").place("last", 1, 60).await.problem(), "out-of-stock");

    shop.until(first.text("id"), "expired").await;
    assert_eq!(shop.as_customer("bob").place("last", 1, 60).await.status, 201);
    world.finish().await;
}

//! Points, and orders that cost nothing.

use holdfast::store::operators::tokens::Role;
use serde_json::json;

use crate::support::world::World;

#[tokio::test]
async fn points_are_given_by_shops_and_operators_and_by_no_customer() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let given = shop.post_as("key-1", "/v1/points/charges", &json!({"amount_won": 300})).await;
    assert_eq!((given.status, &given.body["balance_won"]), (201, &json!(300)));
    let again = shop.post_as("key-1", "/v1/points/charges", &json!({"amount_won": 300})).await;
    assert_eq!((again.status, &again.body), (200, &given.body));
    let full = shop.post_as("key-2", "/v1/points/charges", &json!({"amount_won": 9_999_999})).await;
    assert_eq!((full.status, full.problem()), (409, "points-full"));
    for wrong in [json!({"amount_won": 0}), json!({"amount_won": 10_000_001}), json!({"points": 1})] {
        assert_eq!(shop.post("/v1/points/charges", &wrong).await.status, 422);
    }
    let customer = world.token(Role::Customer, Some("alice")).await;
    let greedy = shop.with_token(&customer).post("/v1/points/charges", &json!({"amount_won": 1})).await;
    assert_eq!(greedy.status, 403);
    let operator = world.token(Role::Operator, None).await;
    let kind = shop.with_token(&operator).post("/v1/points/charges", &json!({"amount_won": 1})).await;
    assert_eq!((kind.status, &kind.body["balance_won"]), (201, &json!(301)));
    assert_eq!(shop.get("/v1/points").await.body["balance_won"], 301);
    assert_eq!(shop.get("/v1/wallet").await.body["balance_won"], 0);
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_costs_nothing_is_paid_at_once_and_never_expires() {
    let (world, shop) = World::running().await;
    let gift = json!({"name": "Sticker", "price_won": 500, "discount_ratio": 1.0, "on_hand": 3});
    assert_eq!(shop.put("/v1/skus/sticker", &gift).await.status, 201);
    let order = shop.place("sticker", 2, 1).await;
    assert_eq!((order.status, order.text("status")), (201, "paid"), "{order:?}");
    assert_eq!(shop.pay(order.text("id")).await.status, 200);
    let sticker = shop.get("/v1/skus/sticker").await.body;
    assert_eq!(json!([sticker["on_hand"], sticker["reserved"]]), json!([1, 0]));
    // Another hold of one second has come and gone, so its timer would have, too.
    shop.stock("mug", 1).await;
    let other = shop.place("mug", 1, 1).await.text("id").to_owned();
    shop.until(&other, "expired").await;
    assert_eq!(shop.status(order.text("id")).await, "paid");
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.paid'").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn what_costs_nothing_is_limited_like_what_is_held() {
    let mut world = World::idle().await;
    world.limits.max_units_per_sku = 3;
    let shop = world.start_api().await;
    world.start_all_workers();
    let gift = json!({"name": "Sticker", "price_won": 0, "on_hand": 100});
    assert_eq!(shop.put("/v1/skus/sticker", &gift).await.status, 201);
    assert_eq!(shop.place("sticker", 2, 60).await.status, 201);
    let greedy = shop.place("sticker", 2, 60).await;
    assert_eq!((greedy.status, greedy.problem()), (409, "too-many-units"));
    assert_eq!(shop.place("sticker", 1, 60).await.status, 201);
    world.finish().await;
}

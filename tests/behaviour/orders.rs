//! Orders: place them, all items or none; refusals; each hold its own time.

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
    assert_eq!(held.headers["location"], format!("/v1/orders/{}", held.text("id")));
    assert_eq!(shop.available("mug").await, 2);

    // A change of the catalogue is no change of what was ordered.
    shop.put("/v1/skus/mug", &json!({"name": "Cup", "price_won": 5_000})).await;
    assert_eq!(shop.order(held.text("id")).await.lasting(), held.lasting());
    world.finish().await;
}

#[tokio::test]
async fn an_unpaid_order_expires_and_the_next_buyer_gets_its_unit() {
    let (world, shop) = World::running_by_timers().await;
    shop.stock("last", 1).await;
    let first = shop.place("last", 1, 5).await;
    assert_eq!(shop.as_customer("bob").place("last", 1, 60).await.problem(), "out-of-stock");

    shop.until(first.text("id"), "expired").await;
    assert_eq!(shop.as_customer("bob").place("last", 1, 60).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn an_order_holds_all_of_its_items_or_none() {
    let (world, shop) = World::running().await;
    shop.stock("plenty", 10).await;
    shop.stock("scarce", 2).await;
    shop.stock("gone", 0).await;

    let items = json!([{"sku": "plenty", "quantity": 4}, {"sku": "scarce", "quantity": 3}, {"sku": "gone", "quantity": 1}]);
    let refused = shop.post("/v1/orders", &json!({"items": items})).await;

    assert_eq!((refused.status, refused.problem()), (409, "out-of-stock"));
    let shortages = json!([{"sku": "scarce", "requested": 3, "available": 2}, {"sku": "gone", "requested": 1, "available": 0}]);
    assert_eq!(refused.body["shortages"], shortages);
    assert_eq!(shop.available("plenty").await, 10);

    // The refusal is an answer that stays readable, not only a status code that passes by.
    let order = shop.order(refused.text("order_id")).await;
    assert_eq!((order.status, order.text("status")), (200, "refused"));
    assert_eq!(order.body["refusal"], json!({"reason": "out_of_stock", "shortages": shortages}));
    assert_eq!(order.body.get("items"), None);

    let items = json!([{"sku": "plenty", "quantity": 10}, {"sku": "scarce", "quantity": 2}]);
    assert_eq!(shop.post("/v1/orders", &json!({"items": items})).await.status, 201);
    assert_eq!((shop.available("plenty").await, shop.available("scarce").await), (0, 0));
    world.finish().await;
}

#[tokio::test]
async fn the_same_sku_named_twice_is_counted_together() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    let twice = json!([{"sku": "mug", "quantity": 3}, {"sku": "mug", "quantity": 3}]);
    let refused = shop.post("/v1/orders", &json!({"items": twice})).await;
    assert_eq!(refused.body["shortages"], json!([{"sku": "mug", "requested": 6, "available": 5}]));
    assert_eq!(shop.available("mug").await, 5);
    world.finish().await;
}

#[tokio::test]
async fn an_order_of_unknown_skus_is_refused_and_names_them() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    let items = json!([{"sku": "nope", "quantity": 1}, {"sku": "mug", "quantity": 1}, {"sku": "nada", "quantity": 1}]);
    let refused = shop.post("/v1/orders", &json!({"items": items})).await;
    assert_eq!((refused.status, refused.problem()), (409, "unknown-sku"));
    assert_eq!(
        (&refused.body["reason"], &refused.body["skus"]),
        (&json!("unknown_sku"), &json!(["nope", "nada"]))
    );
    assert_eq!(shop.available("mug").await, 5);
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_costs_nothing_is_held_and_paid_without_money() {
    let (world, shop) = World::running().await;
    shop.put("/v1/skus/gift", &json!({"name": "Gift", "price_won": 0, "on_hand": 2})).await;
    let full = json!({"name": "Sample", "price_won": 900, "on_hand": 2, "discount_ratio": 1.0});
    shop.put("/v1/skus/sample", &full).await;
    let items = json!([{"sku": "gift", "quantity": 1}, {"sku": "sample", "quantity": 2}]);
    let held = shop.post("/v1/orders", &json!({"items": items})).await;
    assert_eq!((held.status, &held.body["amount_won"]), (201, &json!(0)));

    // The customer has no wallet at all, and needs none.
    let paid = shop.pay(held.text("id")).await;
    assert_eq!((paid.status, paid.text("status")), (200, "paid"));
    assert_eq!(world.count("SELECT count(*) FROM ledger_entries").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn an_order_above_the_highest_amount_is_refused() {
    let (world, shop) = World::running().await;
    let dear = json!({"name": "Palace", "price_won": 1_000_000_000_000i64, "on_hand": 5});
    assert_eq!(shop.put("/v1/skus/palace", &dear).await.status, 201);
    let refused = shop.place("palace", 2, 60).await;
    assert_eq!((refused.status, refused.problem()), (409, "amount-too-large"));
    assert_eq!(shop.available("palace").await, 5);
    world.finish().await;
}

#[tokio::test]
async fn a_short_hold_placed_after_a_long_one_expires_first() {
    let (world, shop) = World::running_by_timers().await;
    shop.stock("mug", 4).await;
    let longest = shop.place("mug", 1, 86_400).await;
    let standard = shop.post("/v1/orders", &json!({"items": [{"sku": "mug", "quantity": 1}]})).await;
    let long = shop.place("mug", 1, 1_199).await;
    let short = shop.place("mug", 1, 1).await;
    shop.until(short.text("id"), "expired").await;
    for (order, seconds) in [(&longest, 86_400), (&standard, 1_200), (&long, 1_199), (&short, 1)] {
        let order = shop.order(order.text("id")).await;
        let time = |field: &str| order.text(field).parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        assert_eq!((time("expires_at") - time("created_at")).num_milliseconds(), seconds * 1_000);
        assert_eq!(order.text("status"), if seconds == 1 { "expired" } else { "held" });
    }
    // Released at its time and not before.
    assert_eq!(
        world.count("SELECT count(*) FROM orders WHERE status = 'expired' AND closed_at < expires_at").await,
        0
    );
    assert_eq!(shop.available("mug").await, 1);
    world.finish().await;
}

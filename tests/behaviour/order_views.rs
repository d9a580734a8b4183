//! What the shop's pages show of an order: what is left of its hold, and what has happened to it.

use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};

use crate::support::world::World;

#[tokio::test]
async fn a_held_order_says_what_is_left_of_it_and_whether_it_may_have_more() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderExtend, Queue::PaymentConfirm]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    let held = shop.place("mug", 1, 1_200).await;
    let id = held.text("id");
    let told = |body: &Value| (body["expires_in_ms"].as_i64(), body["may_extend"].as_bool());
    let (left, may) = told(&held.body);
    assert!((1_100_000..=1_200_000).contains(&left.unwrap()) && may == Some(true), "{held:?}");
    let (later, _) = told(&shop.order(id).await.body);
    assert!(later.unwrap() <= left.unwrap());
    let listed = shop.get("/v1/orders").await;
    assert_eq!(told(&listed.body["orders"][0]).1, Some(true));
    for may_again in [true, false] {
        let extended = shop.post(&format!("/v1/orders/{id}/extend"), &json!({})).await;
        assert_eq!((extended.status, told(&extended.body).1), (200, Some(may_again)));
    }
    // Half an hour more would be past an hour after it began.
    let long = shop.place("mug", 1, 3_300).await;
    assert_eq!(told(&long.body).1, Some(false));
    world.make_overdue(long.text("id")).await;
    assert_eq!(told(&shop.order(long.text("id")).await.body), (Some(0), Some(false)));
    shop.charge(50_000).await;
    assert_eq!(told(&shop.pay(id).await.body), (None, None));
    world.execute("UPDATE orders SET expires_at = now() + interval '1 hour' WHERE status = 'held'").await;
    world.finish().await;
}

#[tokio::test]
async fn a_buyer_reads_what_has_happened_to_their_order_and_nothing_that_is_the_shops() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    shop.charge(50_000).await;
    let id = shop.place("mug", 2, 600).await.text("id").to_owned();
    let path = format!("/v1/orders/{id}");
    shop.post(&format!("{path}/extend"), &json!({})).await;
    assert_eq!(shop.pay(&id).await.status, 200);
    let items = json!([{"sku": "mug", "quantity": 1, "restock": false}]);
    assert_eq!(shop.post(&format!("{path}/refunds"), &json!({"items": items})).await.status, 200);
    let history = shop.get(&format!("{path}/history")).await;
    assert_eq!((history.status, &history.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    let facts = history.body["facts"].as_array().unwrap();
    let kinds: Vec<&str> = facts.iter().map(|fact| fact["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["order.held", "order.extended", "order.paid", "order.refunded"]);
    assert!(facts.iter().all(|fact| fact["occurred_at"].is_string()));
    assert!(facts[0]["data"]["expires_at"].is_string() && facts[0]["data"].get("customer_id").is_none());
    assert_eq!(facts[2]["data"], json!({"amount_won": 2_000, "method": "wallet"}));
    let back = json!([{"sku": "mug", "quantity": 1, "amount_won": 1_000}]);
    assert_eq!(facts[3]["data"], json!({"amount_won": 1_000, "is_whole": false, "items": back}));

    assert_eq!(shop.as_customer("bob").get(&format!("{path}/history")).await.status, 404);
    assert_eq!(shop.get("/v1/orders/none/history").await.status, 404);
    world.finish().await;
}

#[tokio::test]
async fn an_order_of_very_many_facts_tells_the_latest_hundred() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    let accepted = shop.place_async("key-1", "mug", 1, 600).await;
    let id = accepted.text("id").to_owned();
    let path = format!("/v1/orders/{id}/history");
    shop.until(&id, "held").await;
    world
        .execute(
            "INSERT INTO order_events (order_id, type, data)
             SELECT id, 'order.extension_refused', jsonb_build_object('reason', n)
               FROM orders, generate_series(1, 150) AS n",
        )
        .await;
    let facts = shop.get(&path).await.body["facts"].as_array().unwrap().clone();
    let reasons: Vec<i64> = facts.iter().map(|fact| fact["data"]["reason"].as_i64().unwrap()).collect();
    assert_eq!(reasons, (51..=150).collect::<Vec<_>>());
    world.stop.cancel();
}

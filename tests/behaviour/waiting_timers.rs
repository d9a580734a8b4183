//! Holds that begin for those who waited: each has its timer, whatever began it, and whoever waits hears of it at once.

use std::time::Duration;

use holdfast::message::Queue;
use holdfast::store::events::CHANNEL;
use holdfast_workers::loops::serve_waiting;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::PgListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::world::World;

/// An order of one unit that waits for its SKU, and is held for two seconds once it is its turn.
async fn wait_for_two_seconds(shop: &Client, customer: &str, sku: &str) -> String {
    let body = json!({"items": [{"sku": sku, "quantity": 1}], "on_shortage": "wait", "hold_seconds": 2});
    let answer = shop.as_customer(customer).post("/v1/orders", &body).await;
    assert_eq!((answer.status, answer.text("status")), (202, "waiting"), "{answer:?}");
    answer.text("id").to_owned()
}

#[tokio::test]
async fn a_hold_that_begins_outside_of_a_workers_batch_has_its_timer_too() {
    // Nothing but its timer ends a hold: the sweeper does not run.
    let world = World::idle().await;
    world.start_workers_of(&Queue::ALL);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    let skus = ["received", "counted", "set", "looked-at", "in-the-way"];
    for sku in skus {
        shop.stock(sku, 0).await;
    }
    let upcoming = json!({"sale_from": "2999-01-01T00:00:00Z", "on_hand": 1});
    let begun = json!({"sale_from": "2000-01-01T00:00:00Z"});
    for sku in ["looked-at", "in-the-way"] {
        let seen = shop.get(&format!("/v1/skus/{sku}")).await;
        let request = shop.request(Method::PATCH, &format!("/v1/skus/{sku}")).json(&upcoming);
        assert_eq!(shop.send(request.header("If-Match", &seen.headers["etag"])).await.status, 200);
    }
    let mut orders = vec![];
    for sku in skus {
        orders.push((sku, wait_for_two_seconds(&shop, sku, sku).await));
    }
    // By the API: a receipt, an operator's count, and a shop that says how many there are.
    shop.post("/v1/skus/received/receipts", &json!({"units": 1, "reason": "more"})).await;
    let counted = json!({"on_hand": 1, "reason": "counted"});
    let counted = world.desk().await.post("/v1/ops/stock/counted/adjust", &counted).await;
    assert_eq!(counted.status, 200, "{counted:?}");
    let seen = shop.get("/v1/skus/set").await;
    let request = shop.request(Method::PATCH, "/v1/skus/set").json(&json!({"on_hand": 1}));
    assert_eq!(shop.send(request.header("If-Match", &seen.headers["etag"])).await.status, 200);
    // For somebody new, who is behind the line.
    shop.patch("/v1/skus/in-the-way", &begun).await;
    assert_eq!(shop.as_customer("new").place("in-the-way", 1, 60).await.problem(), "out-of-stock");
    // By the loop over the lines.
    shop.patch("/v1/skus/looked-at", &begun).await;
    let looking = tokio::spawn(serve_waiting::run(world.context()));
    for (customer, order) in &orders {
        shop.as_customer(customer).until(order, "expired").await;
    }
    looking.abort();
    world.finish().await;
}

#[tokio::test]
async fn what_the_sweeper_frees_begins_a_hold_with_a_timer() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let body =
        json!({"items": [{"sku": "mug", "quantity": 1}], "on_shortage": "wait", "hold_seconds": 1_500});
    shop.as_customer("bob").post("/v1/orders", &body).await;
    // The worker that would end it on time does not run.
    world.make_overdue(held.text("id")).await;
    world.start_workers(Pool::Sweep);
    eventually("the line is served", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 1
            && shop.status(held.text("id")).await == "expired")
            .then_some(())
    })
    .await;
    // On the longest rung that does not overshoot.
    eventually("a timer waits", async || (world.depth("delay.1200s").await == 1).then_some(())).await;
    world.finish().await;
}

#[tokio::test]
async fn whoever_is_served_by_a_receipt_hears_of_it_at_once() {
    let world = World::idle().await;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    world.start(Pool::Commands(Queue::OrderHold), &stop, &tasks);
    let shop = world.start_api().await;
    shop.stock("mug", 0).await;
    let order = shop.as_customer("bob").place_in_line_async("mug").await;
    shop.as_customer("bob").until(order.text("id"), "waiting").await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    // Nobody else is left who rings.
    let mut bell = PgListener::connect(&world.database_url).await.unwrap();
    bell.listen(CHANNEL).await.unwrap();
    shop.post("/v1/skus/mug/receipts", &json!({"units": 1, "reason": "more"})).await;
    timeout(Duration::from_secs(30), bell.recv()).await.expect("the relay is woken").unwrap();
    assert_eq!(shop.as_customer("bob").status(order.text("id")).await, "held");
    world.finish().await;
}

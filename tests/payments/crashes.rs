//! `kill -9` of a worker between any two steps of a card payment, and under a storm of faults.

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::eventually;
use crate::support::processes::Process;

const RESOLVERS: &str = "payment.resolve=1";
/// Orders of the storm.
const ORDERS: usize = 100;

async fn is_paid_once_though_killed_at(point: &str) {
    let stage = Stage::without_resolvers().await;
    let (order, key) = stage.held(1, 600).await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    let mut worker = Process::worker_paused_at(&stage.world, RESOLVERS, point).await;
    worker.kill();
    let _next = Process::worker(&stage.world, RESOLVERS);
    stage.shop.until(&order, "paid").await;
    assert_eq!(stage.balance(&order).await, 1_000);
    assert_eq!(stage.world.count("SELECT count(*) FROM order_events WHERE type = 'order.paid'").await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_worker_killed_before_it_asks_the_gateway() {
    is_paid_once_though_killed_at("before_call").await;
}

#[tokio::test]
async fn a_worker_killed_after_the_gateway_answered() {
    is_paid_once_though_killed_at("after_call").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_commits_the_answer() {
    is_paid_once_though_killed_at("before_commit").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_acknowledges_the_answer() {
    is_paid_once_though_killed_at("after_publish").await;
}

#[tokio::test]
async fn a_payment_whose_message_was_lost_is_woken() {
    let stage = Stage::without_resolvers().await;
    let (order, key) = stage.held(1, 600).await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    eventually("it waits in its queue", async || {
        (stage.world.depth("payment.resolve").await == 1).then_some(())
    })
    .await;
    stage.world.purge("payment.resolve").await;
    let woken =
        holdfast_workers::sweep::wake_payments(&stage.world.pool, &stage.world.publisher, 0).await.unwrap();
    assert_eq!(woken, 1);
    let _worker = Process::worker(&stage.world, RESOLVERS);
    stage.shop.until(&order, "paid").await;
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_of_faults_and_kills_the_gateways_books_are_ours() {
    let stage = Stage::without_resolvers().await;
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        let shop = stage.shop.as_customer(&format!("buyer-{number}"));
        let order = shop.place("mug", 1, 600).await;
        assert_eq!(order.status, 201, "{order:?}");
        let id = order.text("id").to_owned();
        let key = stage.authenticate(&id, 1_000).await;
        orders.push((shop, id, key));
    }
    let confirm = |kind: &str, more: Value| {
        let mut fault = json!({"on": "confirm", "kind": kind, "probability": 0.15});
        fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fault
    };
    stage
        .faults(json!([
            confirm("done_then_reset", json!({})),
            confirm("reset_before", json!({})),
            confirm("decline", json!({})),
            confirm("error", json!({"status": 500, "done": true})),
            confirm("error", json!({"status": 500})),
            confirm("late", json!({"ms": 200})),
            {"on": "find", "kind": "reset_before", "probability": 0.15},
        ]))
        .await;
    for (shop, id, key) in &orders {
        let body = json!({"method": "card", "payment_key": key, "amount_won": 1_000});
        let request = shop.request(reqwest::Method::POST, &format!("/v1/orders/{id}/payments")).json(&body);
        assert_eq!(shop.send(request).await.status, 202);
    }
    // Each of them gets some batches done, or half done.
    for _ in 0..8 {
        let mut worker = Process::worker(&stage.world, "payment.resolve=2");
        worker.until_logged("consuming").await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        worker.kill();
    }
    let _worker = Process::worker(&stage.world, "payment.resolve=2");
    stage.until_all_is_definite().await;

    let books = stage.control("GET", "books", &Value::Null).await;
    let mut paid = 0;
    for (shop, id, _) in &orders {
        let taken = books["payments"].as_array().unwrap().iter().find(|payment| payment["orderId"] == *id);
        let taken = taken.unwrap()["balance"].as_i64().unwrap();
        let status = shop.status(id).await;
        assert_eq!((status == "paid", status == "held"), (taken == 1_000, taken == 0), "{id} is {status}");
        paid += usize::from(status == "paid");
    }
    assert!(paid > ORDERS / 2 && paid < ORDERS, "{paid} of {ORDERS} are paid");
    stage.finish().await;
}

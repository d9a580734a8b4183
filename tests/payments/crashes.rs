//! `kill -9` of a worker between any two steps of a card payment.

use crate::stage::Stage;
use crate::support::eventually;
use crate::support::processes::Process;

const RESOLVERS: &str = "payment.resolve=1";

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
        holdfast_workers::loops::sweep::wake_unsettled(&stage.world.pool, &stage.world.publisher, 0, |_| {
            true
        })
        .await
        .unwrap();
    assert_eq!(woken, 1);
    let _worker = Process::worker(&stage.world, RESOLVERS);
    stage.shop.until(&order, "paid").await;
    stage.finish().await;
}

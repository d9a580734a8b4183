//! `kill -9` of a worker between any two steps of a charge.

use serde_json::json;

use super::Charges as _;
use crate::stage::Stage;
use crate::support::eventually;
use crate::support::processes::Process;

const CHARGERS: &str = "wallet.charge=1";

async fn fills_the_wallet_once_though_killed_at(point: &str) {
    let stage = Stage::without_resolvers().await;
    let (id, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.ask_to_pay_charge(&id, &key, 5_000).await.status, 202);
    let mut worker = Process::worker_paused_at(&stage.world, CHARGERS, point).await;
    worker.kill();
    let _next = Process::worker(&stage.world, CHARGERS);
    stage.shop.until_charge_is(&id, "posted").await;
    assert_eq!((stage.shop.wallet().await, stage.balance(&id).await), (5_000, 5_000));
    stage.finish().await;
}

#[tokio::test]
async fn a_worker_killed_before_it_asks_the_gateway() {
    fills_the_wallet_once_though_killed_at("before_call").await;
}

#[tokio::test]
async fn a_worker_killed_after_the_gateway_answered() {
    fills_the_wallet_once_though_killed_at("after_call").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_commits_the_answer() {
    fills_the_wallet_once_though_killed_at("before_commit").await;
}

#[tokio::test]
async fn a_worker_killed_after_it_committed_the_answer() {
    fills_the_wallet_once_though_killed_at("after_commit").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_acknowledges_the_answer() {
    fills_the_wallet_once_though_killed_at("after_publish").await;
}

#[tokio::test]
async fn a_worker_killed_after_the_gateway_took_late_money_back() {
    let stage = Stage::without_resolvers().await;
    let mut first = Process::worker(&stage.world, CHARGERS);
    let (id, key) = stage.charge_with_money_to_come(60_000).await;
    assert_eq!(stage.shop.charge(50_000).await.status, 201);
    stage.faults(json!([{"on": "cancel", "kind": "reset_before"}])).await;
    stage.send_webhook(&id, &key).await;
    stage.shop.until_charge_is(&id, "returning").await;
    first.kill();
    stage.faults(json!([])).await;
    let mut second = Process::worker_paused_at(&stage.world, CHARGERS, "after_call").await;
    second.kill();
    let _third = Process::worker(&stage.world, CHARGERS);
    stage.shop.until_charge_is(&id, "returned").await;
    assert_eq!((stage.shop.wallet().await, stage.balance(&id).await), (50_000, 0));
    stage.finish().await;
}

#[tokio::test]
async fn a_charge_whose_message_was_lost_is_woken() {
    let stage = Stage::without_resolvers().await;
    let (id, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.ask_to_pay_charge(&id, &key, 5_000).await.status, 202);
    eventually("it waits in its queue", async || {
        (stage.world.depth("wallet.charge").await == 1).then_some(())
    })
    .await;
    stage.world.purge("wallet.charge").await;
    let woken =
        holdfast_workers::loops::sweep::wake_unsettled(&stage.world.pool, &stage.world.publisher, 0, |_| {
            true
        })
        .await
        .unwrap();
    assert_eq!(woken, 1);
    let _worker = Process::worker(&stage.world, CHARGERS);
    stage.shop.until_charge_is(&id, "posted").await;
    stage.finish().await;
}

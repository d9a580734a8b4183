//! Who works, as operators see it.

use std::time::Duration;

use holdfast::store::operators::tokens::Role;
use serde_json::Value;

use crate::face::{holdfast, somebody};
use crate::support::client::Client;
use crate::support::processes::Process;
use crate::support::world::World;
use crate::support::{eventually, eventually_within};

async fn processes(viewer: &Client) -> Vec<Value> {
    viewer.get("/v1/ops/workers").await.body["processes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_process_shows_up_with_its_last_batch_and_counts_as_gone_after_a_kill() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let viewer = somebody(&world, Role::Viewer).await;
    assert!(processes(&viewer).await.is_empty());
    let mut worker = Process::worker(&world, "order.hold=2,relay");
    shop.stock("mug", 5).await;
    assert_eq!(shop.place("mug", 1, 600).await.status, 201);

    let process = eventually("the process tells of its batch", async || {
        let [process] = processes(&viewer).await.try_into().ok()?;
        let hold = process["pools"].as_array()?.iter().find(|pool| pool["pool"] == "order.hold")?;
        (hold["messages_done"] == 1).then_some(process.clone())
    })
    .await;
    assert_eq!((&process["alive"], &process["version"]), (&true.into(), &env!("CARGO_PKG_VERSION").into()));
    let hold = process["pools"].as_array().unwrap().iter().find(|pool| pool["pool"] == "order.hold").unwrap();
    assert_eq!((&hold["runners"], &hold["last_batch"]["messages"]), (&2.into(), &1.into()));
    assert!((0..30).contains(&hold["last_batch"]["waited_seconds"].as_i64().unwrap()), "{hold}");
    let pools = viewer.get("/v1/ops/workers").await.body["pools"].clone();
    let pool = pools.as_array().unwrap().iter().find(|pool| pool["pool"] == "order.hold").unwrap();
    assert_eq!((&pool["runners"], &pool["paused"]), (&2.into(), &Value::Null));

    worker.kill();
    eventually_within(Duration::from_secs(60), "the process counts as gone", async || {
        let [process] = processes(&viewer).await.try_into().unwrap();
        (process["alive"] == false).then_some(())
    })
    .await;
    let (code, printed) = holdfast(&world, &["workers"]).await;
    assert!(code == Some(0) && printed.contains("0 processes alive, 1 gone"), "{printed}");
    world.finish().await;
}

#[tokio::test]
async fn a_process_that_is_asked_to_stop_takes_its_leave() {
    let world = World::idle().await;
    let viewer = somebody(&world, Role::Viewer).await;
    let mut worker = Process::worker(&world, "sweep,order.hold");
    eventually("the process is listed", async || (processes(&viewer).await.len() == 1).then_some(())).await;
    let (status, _) = worker.stop().await;
    assert!(status.success());
    assert!(processes(&viewer).await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_pool_that_waits_for_configuration_is_not_reported_as_working() {
    let world = World::idle().await;
    let viewer = somebody(&world, Role::Viewer).await;
    let _worker = Process::worker(&world, "mail.send=2,payment.resolve,order.cancel");
    let process =
        eventually("the process is listed", async || processes(&viewer).await.into_iter().next()).await;
    let pools: Vec<&str> =
        process["pools"].as_array().unwrap().iter().map(|pool| pool["pool"].as_str().unwrap()).collect();
    assert_eq!(pools, ["order.cancel"]);
    let (code, printed) = holdfast(&world, &["workers", "--json"]).await;
    let printed: Value = printed.parse().unwrap();
    assert_eq!((code, &printed[0]["id"]), (Some(0), &process["id"]));
    world.finish().await;
}

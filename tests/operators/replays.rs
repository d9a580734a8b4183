//! A replay sends exactly what was chosen, at the rate that was asked for, until it is stopped.

use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::letters::{Letter, ended, found, hold_body, operator, post};
use crate::support::eventually;
use crate::support::world::World;

/// A dead letter whose cause is gone: it holds one mug.
fn holdable() -> Letter {
    let order = Uuid::now_v7();
    Letter {
        queue: "order.hold",
        body: hold_body(order, "alice", 1),
        order: Some(order),
        ..Letter::default()
    }
}

async fn seconds_taken(world: &World, replay: &Value) -> f64 {
    sqlx::query_scalar(
        "SELECT extract(epoch FROM finished_at - created_at)::float8 FROM replays WHERE id = $1::uuid",
    )
    .bind(replay["id"].as_str().unwrap())
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_dies_after_a_replay_began_does_not_join_it() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    let olga = operator(&world).await;
    for _ in 0..3 {
        holdable().put(&world).await;
    }
    let asked = json!({"filter": {"queue": "order.hold"}, "dry_run": true});
    assert_eq!(post(&olga, "/v1/ops/replays", &asked).await.body, json!({"would_change": 3}));
    let begun = post(&olga, "/v1/ops/replays", &json!({"filter": {"queue": "order.hold"}})).await;
    assert_eq!((begun.status, &begun.body["total"]), (202, &json!(3)), "{begun:?}");
    let late = holdable().put(&world).await;

    world.start_workers(Pool::Replays);
    world.start_workers_of(&[Queue::OrderHold]);
    let replay = ended(&olga, begun.text("id")).await;
    assert_eq!((&replay["status"], &replay["replayed"]), (&json!("done"), &json!(3)));
    assert_eq!(found(&olga, "").await, [late]);
    eventually("three orders are held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 3).then_some(())
    })
    .await;
    let list = olga.get("/v1/ops/replays").await.body;
    assert_eq!(list["replays"][0]["id"], replay["id"]);
    world.finish().await;
}

#[tokio::test]
async fn each_letter_has_its_outcome() {
    let world = World::idle().await;
    world.start_workers(Pool::Replays);
    let olga = operator(&world).await;
    let good = holdable().put(&world).await;
    let lost = Letter { queue: "unroutable", ..Letter::default() }.put(&world).await;
    let gone = Letter::default().put(&world).await;
    post(&olga, "/v1/ops/dead-letters/discard", &json!({"ids": [gone], "reason": "a test"})).await;

    let begun = post(&olga, "/v1/ops/replays", &json!({"ids": [good, lost, gone, good]})).await;
    let replay = ended(&olga, begun.text("id")).await;
    let counts = ["total", "replayed", "skipped", "failed"].map(|member| replay[member].as_i64().unwrap());
    assert_eq!(counts, [3, 1, 1, 1]);
    let items = olga.get(&format!("/v1/ops/replays/{}/items", begun.text("id"))).await.body;
    let outcomes: Vec<_> = items["items"].as_array().unwrap().iter().map(|item| &item["outcome"]).collect();
    assert_eq!(outcomes, ["replayed", "failed", "skipped"]);
    assert_eq!(items["items"][1]["reason"], "nothing reads unroutable; discard it instead");
    assert_eq!(items["items"][2]["reason"], "it is discarded");
    let failed = olga.get(&format!("/v1/ops/replays/{}/items?outcome=failed", begun.text("id"))).await.body;
    assert_eq!(failed["items"][0]["dead_letter_id"], lost);

    let unknown = json!({"ids": [Uuid::now_v7()]});
    assert_eq!(post(&olga, "/v1/ops/replays", &unknown).await.status, 404);
    assert_eq!(
        post(&olga, "/v1/ops/replays", &json!({"ids": [good], "rate_per_second": 0})).await.status,
        422
    );
    let empty = post(&olga, "/v1/ops/replays", &json!({"filter": {"sku": "nothing"}})).await;
    assert_eq!((&empty.body["status"], &empty.body["total"]), (&json!("done"), &json!(0)));
    world.finish().await;
}

#[tokio::test]
async fn a_replay_keeps_to_its_rate() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    for _ in 0..20 {
        Letter::default().put(&world).await;
    }
    world.start_workers(Pool::Replays);
    let begun = post(&olga, "/v1/ops/replays", &json!({"filter": {}, "rate_per_second": 10})).await;
    let replay = ended(&olga, begun.text("id")).await;
    assert_eq!(replay["replayed"], 20);
    // The first two go at once, the last two when the other eighteen have had their time.
    let taken = seconds_taken(&world, &replay).await;
    assert!(taken >= 1.8, "20 letters took {taken} s");
    world.finish().await;
}

#[tokio::test]
async fn a_replay_can_be_stopped_and_what_was_not_sent_stays_open() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    for _ in 0..50 {
        Letter::default().put(&world).await;
    }
    world.start_workers(Pool::Replays);
    let begun = post(&olga, "/v1/ops/replays", &json!({"filter": {}, "rate_per_second": 1})).await;
    let path = format!("/v1/ops/replays/{}", begun.text("id"));
    eventually("the first is sent", async || {
        (olga.get(&path).await.body["replayed"].as_i64()? > 0).then_some(())
    })
    .await;
    let stopped = post(&olga, &format!("{path}/cancel"), &json!({})).await;
    assert_eq!((stopped.status, stopped.text("status")), (200, "cancelled"));
    let sent = stopped.body["replayed"].as_i64().unwrap();
    assert_eq!(found(&olga, "").await.len(), 50 - usize::try_from(sent).unwrap());
    let again = post(&olga, &format!("{path}/cancel"), &json!({})).await;
    assert_eq!((again.status, again.problem()), (409, "conflict"));
    let acts = "SELECT count(*) FROM operator_actions WHERE action IN ('replay.start', 'replay.cancel')";
    assert_eq!(world.count(acts).await, 2);
    world.finish().await;
}

//! Pools that operators pause and resume.

use std::time::{Duration, Instant};

use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection};

use crate::face::{holdfast, operator, post};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

async fn pause(operator: &Client, pool: &str) {
    let paused = post(operator, &format!("/v1/ops/pools/{pool}/pause"), &json!({"reason": "a test"})).await;
    assert_eq!((paused.status, &paused.body["paused"]["reason"]), (200, &"a test".into()), "{paused:?}");
}

/// One order of a customer of its own, which nobody waits for.
async fn order(shop: &Client, n: usize) -> u16 {
    shop.as_customer(&format!("buyer-{n}")).place_async("key", "mug", 1, 600).await.status
}

async fn until_consumers(world: &World, queue: &str, count: u32) {
    eventually(&format!("{queue} has {count} consumers"), async || {
        (world.consumers(queue).await == count).then_some(())
    })
    .await;
}

async fn until_held(world: &World, count: i64) {
    eventually(&format!("{count} orders are held"), async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == count).then_some(())
    })
    .await;
}

/// The process that lists this pool and is alive.
async fn until_alive(operator: &Client, pool: &str, but: Option<&Value>) -> Value {
    eventually(&format!("a new process with {pool} is alive"), async || {
        let view = operator.get("/v1/ops/workers").await;
        let process = view.body["processes"].as_array().unwrap().iter().find(|process| {
            let has_pool = process["pools"].as_array().unwrap().iter().any(|has| has["pool"] == pool);
            process["alive"] == true && has_pool && Some(&process["id"]) != but
        })?;
        Some(process["id"].clone())
    })
    .await
}

#[tokio::test]
async fn a_paused_pool_takes_nothing_also_after_a_restart_and_then_goes_on_with_nothing_lost() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let operator = operator(&world).await;
    shop.stock("mug", 100).await;
    let mut worker = Process::worker(&world, "order.hold=2");
    let first = until_alive(&operator, "order.hold", None).await;
    until_consumers(&world, "order.hold", 2).await;

    pause(&operator, "order.hold").await;
    until_consumers(&world, "order.hold", 0).await;
    for n in 0..20 {
        assert_eq!(order(&shop, n).await, 202);
    }
    worker.kill();
    let _next = Process::worker(&world, "order.hold=2");
    until_alive(&operator, "order.hold", Some(&first)).await;
    assert_eq!((world.consumers("order.hold").await, world.depth("order.hold").await), (0, 20));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);

    let (code, printed) = holdfast(&world, &["pools", "list"]).await;
    assert!(code == Some(0) && printed.contains("a test"), "{printed}");
    let resume = ["pools", "resume", "order.hold", "--reason", "done"];
    let (code, printed) = holdfast(&world, &resume).await;
    assert!(code == Some(0) && printed.contains("works"), "{printed}");
    until_held(&world, 20).await;
    eventually("the queue is empty", async || (world.depth("order.hold").await == 0).then_some(())).await;

    let log = operator.get("/v1/ops/actions?subject_kind=pool&subject_id=order.hold").await;
    let acts = log.body["actions"].as_array().unwrap();
    assert_eq!(acts.len(), 2, "{log:?}");
    assert_eq!((&acts[0]["action"], &acts[0]["actor"]), (&"pool.resume".into(), &"olga".into()));
    assert_eq!((&acts[1]["action"], &acts[1]["reason"]), (&"pool.pause".into(), &"a test".into()));
    world.finish().await;
}

#[tokio::test]
async fn a_batch_in_hand_is_finished_and_what_was_taken_ahead_is_given_back() {
    let mut world = World::idle().await;
    // The batch may wait for longer than a statement usually may: on a slow machine it would be too slow, and set aside.
    let patient = (*world.pool.connect_options()).clone().options([("statement_timeout", "60000")]);
    world.pool = PgPoolOptions::new().connect_lazy_with(patient);
    let shop = world.start_api().await;
    let operator = operator(&world).await;
    shop.stock("mug", 100).await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    // From here on the runner takes many messages ahead.
    assert_eq!(shop.place("mug", 1, 600).await.status, 201);
    until_consumers(&world, "order.hold", 1).await;

    let mut blocker = PgConnection::connect(&world.database_url).await.unwrap();
    let mut tx = blocker.begin().await.unwrap();
    sqlx::query("LOCK TABLE order_items IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    assert_eq!(shop.place_async("in-hand", "mug", 1, 600).await.status, 202);
    eventually("the batch waits for the table", async || {
        let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database =
                   (SELECT oid FROM pg_database WHERE datname = current_database())";
        (world.count(sql).await > 0).then_some(())
    })
    .await;
    for n in 0..9 {
        assert_eq!(order(&shop, n).await, 202);
    }
    eventually("all are taken ahead", async || (world.depth("order.hold").await == 0).then_some(())).await;
    pause(&operator, "order.hold").await;
    tx.rollback().await.unwrap();

    until_consumers(&world, "order.hold", 0).await;
    eventually("nine are given back", async || (world.depth("order.hold").await == 9).then_some(())).await;
    until_held(&world, 2).await;
    let resumed = post(&operator, "/v1/ops/pools/order.hold/resume", &json!({})).await;
    assert_eq!((resumed.status, &resumed.body["paused"]), (200, &Value::Null), "{resumed:?}");
    until_held(&world, 11).await;
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.held'").await, 11);
    world.finish().await;
}

#[tokio::test]
async fn while_order_expire_is_paused_the_sweeper_releases_nothing_either() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let operator = operator(&world).await;
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderExpire]);
    [Pool::Relay, Pool::Sweep].into_iter().for_each(|pool| world.start_workers(pool));
    shop.stock("mug", 5).await;
    pause(&operator, "order.expire").await;
    until_consumers(&world, "order.expire", 0).await;
    let held = shop.place("mug", 1, 600).await;
    world
        .execute("UPDATE orders SET created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'")
        .await;
    // The sweeper may have been here before the pause, and then knows that nothing was overdue so long ago.
    world.execute("UPDATE hold_mark SET ended_before = '-infinity'").await;
    // The sweeper looks once a second.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert_eq!(world.count("SELECT count(*) FROM orders WHERE status = 'held'").await, 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(post(&operator, "/v1/ops/pools/order.expire/resume", &json!({})).await.status, 200);
    shop.until(held.text("id"), "expired").await;
    world.finish().await;
}

#[tokio::test]
async fn every_kind_of_pool_can_be_paused_once_and_no_other() {
    let world = World::idle().await;
    let operator = operator(&world).await;
    for pool in Pool::all() {
        pause(&operator, pool.name()).await;
    }
    // The first pause stands, and is in the audit log once.
    let again = post(&operator, "/v1/ops/pools/relay/pause", &json!({"reason": "another"})).await;
    assert_eq!(again.body["paused"]["reason"], "a test", "{again:?}");
    let sql = "SELECT count(*) FROM operator_actions WHERE action = 'pool.pause'";
    assert_eq!(world.count(sql).await, Pool::all().count() as i64);

    let unknown = post(&operator, "/v1/ops/pools/nothing/pause", &json!({"reason": "a test"})).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    for bad in [json!({"reason": " "}), json!({"reason": "x".repeat(501)}), json!({})] {
        assert_eq!(post(&operator, "/v1/ops/pools/sweep/pause", &bad).await.status, 422, "{bad}");
    }
    let (code, _) = holdfast(&world, &["pools", "pause", "nothing", "--reason", "a test"]).await;
    assert_eq!(code, Some(1));
    let (code, printed) = holdfast(&world, &["pools", "resume", "relay", "--json"]).await;
    let printed: Value = printed.parse().unwrap();
    assert_eq!((code, &printed["paused"]), (Some(0), &Value::Null));
    world.finish().await;
}

#[tokio::test]
async fn a_paused_relay_publishes_nothing_and_then_everything() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let operator = operator(&world).await;
    pause(&operator, "relay").await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    shop.stock("mug", 5).await;
    assert_eq!(shop.place("mug", 1, 600).await.status, 201, "whoever waits looks at the table");
    let lag = async || operator.get("/v1/ops/health").await.body["relay_lag"]["count"].as_i64().unwrap();
    assert_eq!(lag().await, 1);
    assert_eq!(post(&operator, "/v1/ops/pools/relay/resume", &json!({"reason": null})).await.status, 200);
    eventually("everything is published", async || (lag().await == 0).then_some(())).await;
    world.finish().await;
}

//! One request, one trace: what it says and what comes of it, over every message, retry and replay.

use holdfast::message::Queue;
use holdfast::ops::dead_letters::Selection;
use holdfast::ops::dead_letters::replays::{self, ReplayManner};
use holdfast::ops::rights::Actor;
use holdfast::store::operators::tokens::Role;
use holdfast::telemetry::trace_parent::TraceParent;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::messages::{publish_in_trace, take, trace_of};
use crate::support::processes::Process;
use crate::support::world::World;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn parent() -> TraceParent {
    TraceParent::parse(PARENT).unwrap()
}

async fn traced(shop: &Client, path: &str, body: &Value, traceparent: &[&str]) -> Answer {
    let key = Uuid::now_v7().to_string();
    // A broker that is busy with other tests is asked again, as callers are told to.
    eventually("the broker takes it", async || {
        let mut request = shop.request(Method::POST, path).header("Idempotency-Key", &key).json(body);
        for value in traceparent {
            request = request.header("traceparent", *value);
        }
        let answer = shop.send(request).await;
        (answer.status != 503).then_some(answer)
    })
    .await
}

fn told(answer: &Answer) -> TraceParent {
    TraceParent::parse(answer.headers["traceresponse"].to_str().unwrap()).unwrap()
}

fn one_mug(hold_seconds: u64) -> Value {
    json!({"items": [{"sku": "mug", "quantity": 1}], "hold_seconds": hold_seconds})
}

#[tokio::test]
async fn an_answer_tells_the_trace_of_its_request_and_a_malformed_one_counts_as_none() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    assert_eq!(told(&traced(&shop, "/v1/orders", &one_mug(60), &[PARENT]).await), parent());
    assert_eq!(trace_of(&take(&world, "order.hold").await.properties), Some(parent()));

    let longer = format!("{PARENT}-and-more");
    let none: [&[&str]; 5] = [&[], &["00-xyz"], &[""], &[&longer], &[PARENT, PARENT]];
    for headers in none {
        let own = told(&traced(&shop, "/v1/orders", &one_mug(60), headers).await);
        assert_ne!(own.trace_id, parent().trace_id, "{headers:?}");
        assert_eq!(trace_of(&take(&world, "order.hold").await.properties), Some(own), "{headers:?}");
    }
    // Errors and what no route takes tell it as well.
    for path in ["/v1/orders", "/nowhere"] {
        assert_eq!(told(&traced(&shop, path, &json!({}), &[PARENT]).await), parent());
    }
    world.finish().await;
}

#[tokio::test]
async fn a_timer_goes_on_with_the_trace_of_its_hold() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 5).await;
    world.start_workers(Pool::Commands(Queue::OrderHold));
    traced(&shop, "/v1/orders", &one_mug(1), &[PARENT]).await;
    let timer = take(&world, "order.expire").await;
    assert_eq!(trace_of(&timer.properties), Some(parent()));
    // On its way down the ladder it stays in its trace: the second hop is published by who reads order.expire.
    let body: Value = serde_json::from_slice(&timer.data).unwrap();
    let later = holdfast::clock::now() + chrono::TimeDelta::seconds(3);
    let early = json!({"version": 1, "due_at": later, "order_ids": body["order_ids"]});
    publish_in_trace(&world, "order.expire", PARENT, early.to_string().as_bytes()).await;
    let mut worker = Process::worker(&world, "order.expire");
    eventually("the timer went down the ladder", async || {
        (world.depth("delay.2s").await + world.depth("delay.1s").await > 0).then_some(())
    })
    .await;
    worker.kill();
    let hopped = take(&world, "order.expire").await;
    assert_eq!(trace_of(&hopped.properties), Some(parent()));
    world.execute("UPDATE orders SET expires_at = now() + interval '1 hour' WHERE status = 'held'").await;
    world.finish().await;
}

#[tokio::test]
async fn a_timer_of_several_traces_begins_one_of_its_own() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 5).await;
    for _ in 0..2 {
        traced(&shop, "/v1/orders", &one_mug(1), &[]).await;
    }
    traced(&shop, "/v1/orders", &one_mug(2), &[PARENT]).await;
    eventually("three orders wait", async || (world.depth("order.hold").await == 3).then_some(())).await;
    world.start_workers(Pool::Commands(Queue::OrderHold));
    let mut timers = vec![take(&world, "order.expire").await, take(&world, "order.expire").await];
    // A runner begins with one message, so two orders need not have become one batch.
    if timers.len() == 2 && world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 3 {
        let orders = |timer: &lapin::message::BasicGetMessage| {
            let body: Value = serde_json::from_slice(&timer.data).unwrap();
            body["order_ids"].as_array().unwrap().len()
        };
        if timers.iter().map(orders).sum::<usize>() < 3 {
            timers.push(take(&world, "order.expire").await);
        }
    }
    let traces: Vec<_> = timers.iter().map(|timer| trace_of(&timer.properties).expect("a trace")).collect();
    let is_parents = traces.iter().filter(|trace| **trace == parent()).count();
    assert_eq!(is_parents, 1, "{traces:?}");
    world.execute("UPDATE orders SET expires_at = now() + interval '1 hour' WHERE status = 'held'").await;
    world.finish().await;
}

#[tokio::test]
async fn a_retry_stays_in_its_trace() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 5).await;
    let order = traced(&shop, "/v1/orders", &one_mug(60), &[]).await;
    let path = format!("/v1/orders/{}/cancel", order.text("id"));
    assert_eq!(traced(&shop, &path, &json!({}), &[PARENT]).await.status, 202);
    // Nobody has decided the order: its cancellation is tried again later.
    let mut worker = Process::worker(&world, "order.cancel");
    let workers = format!("http://{}", worker.until_logged("listening on http://").await);
    eventually("the message was tried again", async || {
        let metrics = reqwest::get(format!("{workers}/metrics")).await.unwrap().text().await.unwrap();
        metrics.contains("holdfast_messages_total{queue=\"order.cancel\",outcome=\"retry\"}").then_some(())
    })
    .await;
    worker.kill();
    let retried = take(&world, "order.cancel").await;
    assert_eq!(trace_of(&retried.properties), Some(parent()));
    world.finish().await;
}

#[tokio::test]
async fn a_dead_letter_and_its_replay_stay_in_their_trace() {
    let world = World::idle().await;
    world.start_workers(Pool::DeadLetters);
    let worker = Process::worker(&world, "order.hold");
    publish_in_trace(&world, "order.hold", PARENT, b"rubbish").await;
    world.dead_letter("malformed").await;
    // The line about it names the trace.
    assert!(worker.log().contains("trace_id=4bf92f3577b34da6a3ce929d0e0e4736"), "{}", worker.log());
    let find = "SELECT id, headers ->> 'traceparent' FROM dead_letters WHERE replay_count = $1";
    let (id, trace): (Uuid, String) = sqlx::query_as(find).bind(0).fetch_one(&world.pool).await.unwrap();
    assert_eq!(trace, PARENT);
    world.start_workers(Pool::Replays);
    let olga = Actor { name: "olga".to_owned(), role: Role::Operator };
    let manner = ReplayManner { rate_per_second: 100, reason: None };
    let mut tx = world.pool.begin().await.unwrap();
    replays::start(&mut tx, &olga, &Selection::Ids(vec![id]), manner).await.unwrap();
    tx.commit().await.unwrap();
    let again: (Uuid, String) = eventually("it died again", async || {
        sqlx::query_as(find).bind(1).fetch_optional(&world.pool).await.unwrap()
    })
    .await;
    assert_eq!(again, (id, PARENT.to_owned()));
    world.finish().await;
}

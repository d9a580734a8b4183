//! Waiting for an outcome: as long as the caller likes, and an order that is only accepted is there all the same.

use std::time::{Duration, Instant};

use holdfast::message::Queue;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::support::world::World;

#[tokio::test]
async fn an_accepted_order_can_be_read_before_a_worker_has_decided_it() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let accepted = shop.place_async("key-1", "mug", 1, 60).await;
    assert_eq!((accepted.status, accepted.text("status")), (202, "accepted"));

    // A second API process has never heard of the order, and still tells it from one that never was.
    let elsewhere = world.start_api().await;
    for client in [&shop, &elsewhere] {
        let read = client.get(accepted.headers["location"].to_str().unwrap()).await;
        assert_eq!((read.status, &read.body), (200, &accepted.body));
    }

    world.start_workers_of(&[Queue::OrderHold]);
    shop.until(accepted.text("id"), "held").await;
    world.finish().await;
}

#[tokio::test]
async fn a_caller_who_waits_in_vain_hears_that_the_order_is_accepted() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let request = shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", "key-1");
    let body = json!({"items": [{"sku": "mug", "quantity": 1}]});
    let answer = shop.send(request.header("Prefer", "respond-async, wait=1").json(&body)).await;
    assert_eq!((answer.status, answer.text("status")), (202, "accepted"));
    assert_eq!(answer.headers["preference-applied"], "wait=1");
    assert!(answer.headers.contains_key("location"));
    world.finish().await;
}

#[tokio::test]
async fn a_wait_is_read_in_every_spelling_and_lasts_thirty_seconds_at_most() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    let spellings = [
        (vec!["wait=5"], "wait=5"),
        (vec!["wait=600"], "wait=30"),
        (vec!["Wait=\"7\""], "wait=7"),
        (vec!["handling=lenient; foo=bar, wait = 8"], "wait=8"),
        (vec!["respond-async", "wait=9"], "wait=9"),
    ];
    for (turn, (preferences, applied)) in spellings.into_iter().enumerate() {
        let mut request =
            shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", format!("key-{turn}"));
        for preference in preferences {
            request = request.header("Prefer", preference);
        }
        let body = json!({"items": [{"sku": "mug", "quantity": 1}]});
        let held = shop.send(request.json(&body)).await;
        assert_eq!((held.status, held.headers["preference-applied"].to_str().unwrap()), (201, applied));
    }
    world.finish().await;
}

#[tokio::test]
async fn an_outcome_is_heard_in_a_process_other_than_the_one_that_was_asked_first() {
    let world = World::idle().await;
    let (here, there) = (world.start_api().await, world.start_api().await);
    here.stock("mug", 1).await;
    let body = json!({"items": [{"sku": "mug", "quantity": 1}]});
    let (first, second, ()) = tokio::join!(
        here.post_as("key-1", "/v1/orders", &body),
        there.post_as("key-1", "/v1/orders", &body),
        async { world.start_all_workers() },
    );
    assert_eq!((first.status, second.status, first.lasting()), (201, 201, second.lasting()));
    world.finish().await;
}

#[tokio::test]
async fn an_outcome_is_heard_in_time_although_facts_are_kept_back() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    // A writing transaction of anyone, in any database of the server, keeps the relay from publishing.
    let mut stranger = PgConnection::connect(&world.servers.admin_url).await.unwrap();
    let mut long = stranger.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *long).await.unwrap();

    let begin = Instant::now();
    let held = shop.place("mug", 1, 60).await;
    assert_eq!(held.status, 201);
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "heard at the deadline only, after {:?}",
        begin.elapsed()
    );
    long.rollback().await.unwrap();
    world.finish().await;
}

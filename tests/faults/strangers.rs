//! Messages of strangers: properties and headers that no program of ours writes stop nobody.

use std::time::Duration;

use holdfast::broker::envelope::TRACEPARENT;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use crate::commands::{named, publish_strange, publish_strange_to};
use crate::poison::{
    NEIGHBOURS, attempt, body, changed, good_orders, letter, start, until_held, until_neighbours_are_held,
    with_stock,
};
use crate::raw_amqp::publish_with_id;
use crate::support::eventually;
use crate::support::world::World;

#[tokio::test]
async fn a_good_message_is_applied_whatever_its_headers_claim() {
    let world = with_stock().await;
    let headers = attempt(AMQPValue::LongInt(i32::MAX));
    publish_strange(&world, "order.hold", named("x").with_headers(headers), &body()).await;
    let headers = attempt(AMQPValue::FieldTable(attempt(AMQPValue::Double(0.5))));
    publish_strange(&world, "order.hold", named("y").with_headers(headers), &body()).await;
    publish_strange(&world, "order.hold", BasicProperties::default(), &body()).await;
    start(&world);
    until_held(&world, 3).await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn an_error_longer_than_a_frame_of_the_broker_stops_nobody() {
    let world = with_stock().await;
    good_orders(&world).await;
    // The reader of JSON quotes what it cannot take, and writes each of these bytes with six characters.
    let long = changed("/hold_seconds", json!("\u{7f}".repeat(60_000)));
    publish_strange(&world, "order.hold", named("long"), &long).await;
    good_orders(&world).await;
    start(&world);
    until_neighbours_are_held(&world).await;
    let letter = letter(&world, "long").await;
    assert_eq!((letter.class.as_str(), letter.body), ("malformed", long));
    world.finish().await;
}

#[tokio::test]
async fn headers_as_long_as_a_frame_of_the_broker_stop_nobody() {
    let world = with_stock().await;
    let mut headers = FieldTable::default();
    headers.insert(TRACEPARENT.into(), AMQPValue::LongString("0".repeat(131_000).into()));
    publish_strange(
        &world,
        "order.hold",
        named("long").with_headers(headers),
        &changed("/version", json!(2)),
    )
    .await;
    good_orders(&world).await;
    start(&world);
    until_held(&world, NEIGHBOURS).await;
    assert_eq!(letter(&world, "long").await.class, "gave_up");
    world.finish().await;
}

#[tokio::test]
async fn properties_that_only_their_sender_may_use_stop_nobody() {
    let world = with_stock().await;
    good_orders(&world).await;
    // The broker lets nobody but this user publish a message that names it.
    let properties = named("personal").with_user_id(stranger(&world).await.into());
    let world_of_stranger = amqp_url_of_stranger(&world);
    publish_strange_to(&world_of_stranger, "order.hold", properties, b"rubbish").await;
    good_orders(&world).await;
    start(&world);
    until_neighbours_are_held(&world).await;
    assert_eq!(letter(&world, "personal").await.class, "malformed");
    world.finish().await;
}

#[tokio::test]
async fn a_message_id_that_is_no_text_stops_nobody() {
    let world = with_stock().await;
    good_orders(&world).await;
    publish_with_id(&world.amqp_url, "order.hold", b"\xff\xfe", &body());
    good_orders(&world).await;
    start(&world);
    until_held(&world, 2 * NEIGHBOURS).await;
    world.finish().await;
}

#[tokio::test]
async fn a_dead_letter_waits_for_its_collector_however_short_its_sender_wanted_it_to_live() {
    let world = with_stock().await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_consumed(&world, "order.hold").await;
    publish_strange(&world, "order.hold", named("mayfly").with_expiration("300".into()), b"rubbish").await;
    publish_strange(&world, "order.hold", named("lasting"), b"rubbish").await;
    eventually("both are dead letters, if none is lost", async || {
        (world.depth("order.hold.dead").await > 0 && world.depth("order.hold").await == 0).then_some(())
    })
    .await;
    // Longer than the sender wanted it to live.
    tokio::time::sleep(Duration::from_millis(600)).await;
    world.start_workers(Pool::DeadLetters);
    letter(&world, "lasting").await;
    // On a slow machine its time was up before a worker had read it; then the broker has set it aside.
    assert!(["malformed", "expired"].contains(&letter(&world, "mayfly").await.class.as_str()));
    world.finish().await;
}

async fn until_consumed(world: &World, queue: &str) {
    eventually("a worker reads", async || (world.consumers(queue).await > 0).then_some(())).await;
}

const STRANGER: &str = "stranger";

/// Makes another user of the broker who may use this world.
async fn stranger(world: &World) -> &'static str {
    let http = reqwest::Client::new();
    let api = &world.servers.rabbitmq_api;
    let user = json!({"password": STRANGER, "tags": ""});
    http.put(format!("{api}/users/{STRANGER}")).json(&user).send().await.unwrap();
    let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
    let permission = format!("{api}/permissions/{}/{STRANGER}", world.vhost);
    assert!(http.put(permission).json(&everything).send().await.unwrap().status().is_success());
    STRANGER
}

fn amqp_url_of_stranger(world: &World) -> String {
    world.amqp_url.replace("guest:guest", &format!("{STRANGER}:{STRANGER}"))
}

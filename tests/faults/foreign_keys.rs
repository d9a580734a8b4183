//! Messages whose routing key is not the name of the queue they came into: they are of that queue all the same.

use holdfast::broker::connection::Connector;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use lapin::options::{BasicGetOptions, BasicNackOptions, ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};
use serde_json::json;
use uuid::Uuid;

use crate::commands::{hold, named, publish, publish_strange};
use crate::poison::{NEIGHBOURS, good_orders, letter, start, until_held, with_stock};
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

#[tokio::test]
async fn rubbish_under_a_key_that_nothing_is_bound_to_stops_no_sale() {
    let world = with_stock().await;
    for name in ["one", "two"] {
        let copied = carbon_copy(named(name), "CC", "order.hold");
        publish_strange(&world, "nobody.binds.this", copied, b"{").await;
    }
    let blind = carbon_copy(named("blind"), "BCC", "order.hold");
    publish_strange(&world, "nobody.binds.this", blind, b"{").await;
    good_orders(&world).await;
    start(&world);
    until_held(&world, NEIGHBOURS).await;
    for name in ["one", "two", "blind"] {
        let letter = letter(&world, name).await;
        assert_eq!((letter.queue.as_str(), letter.class.as_str()), ("order.hold", "malformed"));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_good_cancel_that_came_by_a_foreign_key_is_tried_again_until_its_order_is_known() {
    let world = with_stock().await;
    let worker = Process::worker(&world, "order.cancel,dead-letters");
    let order = hold("alice", &[("mug", 1)], 600);
    let cancel = json!({"version": 1, "command_id": Uuid::now_v7(), "order_id": order.order_id}).to_string();
    let copied = carbon_copy(named("cancel"), "CC", "order.cancel");
    publish_strange(&world, "nobody.binds.this", copied, cancel.as_bytes()).await;
    // It is known only once a try has come to nothing.
    eventually("it is tried again", async || {
        (worker.messages("order.cancel", "retry").await > 0).then_some(())
    })
    .await;
    publish(&world, &order).await;
    world.start_workers_of(&[Queue::OrderHold]);
    eventually("the order is cancelled", async || {
        let cancelled = "SELECT count(*) FROM orders WHERE status = 'cancelled'";
        (world.count(cancelled).await == 1).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE queue <> 'unroutable'").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn each_copy_of_rubbish_is_filed_under_the_queue_it_died_in() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderCancel]);
    world.start_workers(Pool::DeadLetters);
    let copied = carbon_copy(named("twice"), "CC", "order.cancel");
    publish_strange(&world, "order.hold", copied, b"{").await;
    eventually("both copies are filed", async || {
        let sql = "SELECT queue FROM dead_letters WHERE message_id = 'twice' ORDER BY queue";
        let queues: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
        (queues == ["order.cancel", "order.hold"]).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn what_the_broker_itself_sets_aside_is_filed_under_its_queue_whatever_its_key() {
    let world = World::idle().await;
    let channel = channel(&world).await;
    world.start_workers(Pool::DeadLetters);
    set_aside_by_the_broker(&world, &channel).await;
    world.finish().await;
}

/// The exchange `dead` of the version before takes the names of queues only, and cannot be changed.
#[tokio::test]
async fn a_broker_of_the_version_before_learns_to_set_aside_under_any_key() {
    let world = World::idle().await;
    let channel = channel(&world).await;
    channel.exchange_delete("dead".into(), Default::default()).await.unwrap();
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel
        .exchange_declare("dead".into(), ExchangeKind::Direct, durable, FieldTable::default())
        .await
        .unwrap();
    let again = Connector::new(&world.amqp_url, "test topology");
    for _ in 0..2 {
        world.topology.declare(&again).await.unwrap();
    }
    world.start_workers(Pool::DeadLetters);
    set_aside_by_the_broker(&world, &channel).await;
    // Those under their own key go the usual way.
    publish_strange(&world, "order.hold", named("usual"), b"{").await;
    world.start_workers_of(&[Queue::OrderHold]);
    assert_eq!(letter(&world, "usual").await.class, "malformed");
    world.finish().await;
}

/// A queue of dead letters that takes nothing keeps its poison, and nobody else's message.
#[tokio::test]
async fn a_message_for_which_there_is_no_place_holds_up_no_neighbour() {
    let world = with_stock().await;
    let policy =
        json!({"pattern": "^order\\.hold\\.dead$", "definition": {"max-length": 1}, "apply-to": "queues"});
    let url = format!("{}/policies/{}/small", world.servers.rabbitmq_api, world.vhost);
    assert!(reqwest::Client::new().put(url).json(&policy).send().await.unwrap().status().is_success());
    fill(&world, "order.hold.dead").await;
    publish_strange(&world, "order.hold", named("poison"), b"{").await;
    good_orders(&world).await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_held(&world, NEIGHBOURS).await;
    good_orders(&world).await;
    until_held(&world, 2 * NEIGHBOURS).await;
    world.start_workers(Pool::DeadLetters);
    letter(&world, "poison").await;
    world.finish().await;
}

/// Publishes to a queue until the broker refuses.
async fn fill(world: &World, queue: &str) {
    let channel = channel(world).await;
    channel.confirm_select(Default::default()).await.unwrap();
    eventually("the queue is full", async || {
        let sent = channel.basic_publish(
            "".into(),
            queue.into(),
            Default::default(),
            b"filler",
            BasicProperties::default(),
        );
        sent.await.unwrap().await.unwrap().is_nack().then_some(())
    })
    .await;
}

async fn channel(world: &World) -> Channel {
    Connector::new(&world.amqp_url, "test operator").channel().await.unwrap()
}

/// Lets a message under a foreign key reach the delivery limit of its queue, and waits for its dead letter.
async fn set_aside_by_the_broker(world: &World, channel: &Channel) {
    let bind = QueueBindOptions::default();
    channel
        .queue_bind("order.hold".into(), "commands".into(), "legacy.hold".into(), bind, FieldTable::default())
        .await
        .unwrap();
    publish_strange(world, "legacy.hold", named("deadly"), b"deadly").await;
    eventually("the broker sets it aside", async || {
        let Some(message) = channel.basic_get("order.hold".into(), BasicGetOptions::default()).await.unwrap()
        else {
            let letters = world.count("SELECT count(*) FROM dead_letters").await;
            return (letters == 1).then_some(());
        };
        let back = BasicNackOptions { requeue: true, multiple: false };
        channel.basic_nack(message.delivery.delivery_tag, back).await.unwrap();
        None
    })
    .await;
    let letter = letter(world, "deadly").await;
    assert_eq!((letter.queue.as_str(), letter.class.as_str()), ("order.hold", "delivery_limit"));
}

/// The same properties with another key to deliver by.
fn carbon_copy(properties: BasicProperties, header: &str, key: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    let keys = FieldArray::from(vec![AMQPValue::LongString(key.into())]);
    headers.insert(header.into(), AMQPValue::FieldArray(keys));
    properties.with_headers(headers)
}

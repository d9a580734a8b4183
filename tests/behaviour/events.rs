//! Facts: the event log, its CloudEvents on the exchange `events`, and server-sent events of one order.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use holdfast::broker::connection::Connector;
use holdfast::domain::limits::Limits;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::world::World;

/// A listener of one's own, as another system would bind it.
struct Listener {
    deliveries: lapin::Consumer,
    connector: Connector,
}

impl Listener {
    async fn bind(world: &World) -> Self {
        let connector = Connector::new(&world.amqp_url, "test listener");
        let channel = connector.channel().await.unwrap();
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let none = FieldTable::default;
        let queue = channel.queue_declare("".into(), options, none()).await.unwrap().name().clone();
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue.clone(), "events".into(), "order".into(), bind, none()).await.unwrap();
        let consume = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let deliveries = channel.basic_consume(queue, "".into(), consume, none()).await.unwrap();
        Self { deliveries, connector }
    }

    /// The next batch of facts.
    async fn batch(&mut self) -> Vec<Value> {
        let delivery =
            timeout(PATIENCE, self.deliveries.next()).await.expect("a batch of facts").unwrap().unwrap();
        let content_type = delivery.properties.content_type().as_ref().map(|kind| kind.to_string());
        assert_eq!(content_type.as_deref(), Some("application/cloudevents-batch+json"));
        assert_eq!(
            *delivery.properties.delivery_mode(),
            Some(2),
            "facts must survive a restart of the broker"
        );
        serde_json::from_slice(&delivery.data).unwrap()
    }

    /// Batches until there are so many facts.
    async fn facts(&mut self, count: usize) -> Vec<Value> {
        let mut facts = vec![];
        while facts.len() < count {
            let batch = self.batch().await;
            assert!((1..=100).contains(&batch.len()), "a batch of {}", batch.len());
            facts.extend(batch);
        }
        assert_eq!(facts.len(), count);
        facts
    }
}

async fn cancel(shop: &Client, id: &str) {
    assert_eq!(shop.post(&format!("/v1/orders/{id}/cancel"), &json!({})).await.status, 200);
}

#[tokio::test]
async fn every_change_of_an_order_is_published_in_order_as_cloud_events() {
    let (world, shop) = World::running().await;
    let mut listener = Listener::bind(&world).await;
    shop.stock("mug", 5).await;
    let held = shop.place("mug", 2, 60).await;
    let id = held.text("id");
    let declined = shop.pay(id).await;
    let extended = shop.post(&format!("/v1/orders/{id}/extend"), &json!({"extend_seconds": 9})).await;
    shop.charge(2_000).await;
    assert_eq!((declined.status, extended.status, shop.pay(id).await.status), (402, 200, 200));

    let facts = listener.facts(4).await;
    let kinds: Vec<_> = facts.iter().map(|fact| fact["type"].as_str().unwrap()).collect();
    let expected = ["order.held", "payment.declined", "order.extended", "order.paid"]
        .map(|kind| format!("holdfast.{kind}"));
    assert_eq!(kinds, expected);
    let ids: Vec<i64> = facts.iter().map(|fact| fact["id"].as_str().unwrap().parse().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    for fact in &facts {
        assert_eq!(
            json!([fact["specversion"], fact["source"], fact["subject"], fact["datacontenttype"]]),
            json!(["1.0", "/holdfast/orders", id, "application/json"])
        );
        fact["time"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    }
    let held_data =
        json!({"customer_id": "alice", "amount_won": 2_000, "expires_at": held.body["expires_at"]});
    assert_eq!(facts[0]["data"], held_data);
    assert_eq!(facts[1]["data"]["reason"], "insufficient_balance");
    assert_eq!(facts[2]["data"], json!({"expires_at": extended.body["expires_at"]}));
    assert_eq!(json!([facts[3]["data"]["amount_won"], facts[3]["data"]["method"]]), json!([2_000, "wallet"]));

    let refused = shop.place("mug", 9, 60).await;
    let cancelled = shop.place("mug", 1, 60).await;
    cancel(&shop, cancelled.text("id")).await;
    let expired = shop.place("mug", 1, 1).await;
    shop.until(expired.text("id"), "expired").await;
    let facts = listener.facts(5).await;
    let told: Vec<Value> = facts.iter().map(|fact| json!([fact["type"], fact["subject"]])).collect();
    let (cancelled, expired) = (&cancelled.body["id"], &expired.body["id"]);
    assert_eq!(
        json!(told),
        json!([
            ["holdfast.order.refused", refused.body["order_id"]],
            ["holdfast.order.held", cancelled],
            ["holdfast.order.cancelled", cancelled],
            ["holdfast.order.held", expired],
            ["holdfast.order.expired", expired]
        ])
    );
    assert_eq!(facts[0]["data"]["refusal"]["shortages"], refused.body["shortages"]);
    listener.connector.close().await;
    world.finish().await;
}

#[tokio::test]
async fn two_relays_publish_every_fact_once_in_batches_of_a_hundred_at_most() {
    let mut world = World::idle().await;
    world.limits = Limits { max_live_holds: 1_000, max_units_per_sku: 1_000 };
    world.start_workers_of(&[Queue::OrderHold]);
    let shop = world.start_api().await;
    shop.stock("mug", 1_000).await;
    let mut listener = Listener::bind(&world).await;
    let keys: Vec<String> = (0..250).map(|n| format!("key-{n}")).collect();
    join_all(keys.iter().map(|key| shop.place_async(key, "mug", 1, 60))).await;
    crate::support::eventually("all orders are held", async || {
        (world.count("SELECT count(*) FROM order_events").await == 250).then_some(())
    })
    .await;

    // The relays start behind a log that is written already, and go on with what follows.
    world.start_workers(Pool::Relay);
    world.start_workers(Pool::Relay);
    let facts = listener.facts(250).await;
    let ids: Vec<i64> = facts.iter().map(|fact| fact["id"].as_str().unwrap().parse().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    let mut placed = vec![];
    for _ in 0..20 {
        placed.push(shop.place("mug", 1, 60).await.body["id"].clone());
    }
    let subjects: Vec<_> = listener.facts(20).await.iter().map(|fact| fact["subject"].clone()).collect();
    assert_eq!(subjects, placed);
    listener.connector.close().await;
    world.finish().await;
}

#[tokio::test]
async fn a_fact_that_commits_late_is_published_all_the_same() {
    let (world, shop) = World::running().await;
    let mut listener = Listener::bind(&world).await;
    shop.stock("mug", 5).await;
    let first = shop.place("mug", 1, 60).await;
    listener.facts(1).await;

    // Its id is handed out before that of the next order's fact, and it commits after it.
    // A session of its own has none of our limits on how long a transaction may do nothing.
    let mut session = sqlx::PgConnection::connect(&world.database_url).await.unwrap();
    let mut late = session.begin().await.unwrap();
    let sql = "INSERT INTO order_events (order_id, type, data) VALUES ($1::uuid, 'order.extended', '{}')";
    sqlx::query(sql).bind(first.text("id")).execute(&mut *late).await.unwrap();
    let second = shop.place_async("key-2", "mug", 1, 60).await;
    shop.until(second.text("id"), "held").await;
    // Nothing passes by the one that is late, and a relay that would let it pass has its chance here.
    assert!(timeout(Duration::from_millis(500), listener.deliveries.next()).await.is_err());
    late.commit().await.unwrap();

    let facts = listener.facts(2).await;
    let told: Vec<Value> = facts.iter().map(|fact| json!([fact["type"], fact["subject"]])).collect();
    assert!(told.contains(&json!(["holdfast.order.extended", first.body["id"]])), "{told:?}");
    assert!(told.contains(&json!(["holdfast.order.held", second.body["id"]])), "{told:?}");
    listener.connector.close().await;
    world.finish().await;
}

#[tokio::test]
async fn the_event_log_and_the_ledger_are_append_only() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    shop.charge(1_000).await;
    shop.pay(shop.place("mug", 1, 60).await.text("id")).await;
    for sql in [
        "UPDATE order_events SET type = 'order.expired'",
        "DELETE FROM order_events",
        "TRUNCATE order_events",
        "UPDATE ledger_entries SET amount_won = 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
    ] {
        let refused = sqlx::query(sql).execute(&world.pool).await.unwrap_err();
        assert!(refused.to_string().contains("is append-only"), "{sql}: {refused}");
    }
    world.finish().await;
}

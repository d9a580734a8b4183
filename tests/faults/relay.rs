//! The relay of events: one at a time, another when it dies, everything published and in order.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use holdfast::broker::connection::Connector;
use holdfast::domain::ids::CommandId;
use holdfast::domain::items::HoldSeconds;
use holdfast::domain::limits::Limits;
use holdfast::message::{ExtendHold, Queue, Version};
use holdfast_workers::jobs::extend_holds::ExtendHolds;
use holdfast_workers::jobs::hold_orders::HoldOrders;
use holdfast_workers::pools::Pool;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use serde_json::Value;

use crate::commands::{apply, apply_alone, charge, confirm, hold, publish};
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

const LEADING: &str = "leading the relay of events";
static HOLD_ORDERS: HoldOrders = HoldOrders::new(Limits { max_live_holds: 100, max_units_per_sku: 100 }, 250);

#[tokio::test]
async fn when_the_leading_relay_is_killed_another_publishes_every_event_in_order_per_order() {
    const ORDERS: i64 = 300;
    let world = World::idle().await;
    world.start_api().await.stock("mug", ORDERS).await;
    for number in 0..40 {
        charge(&world, &format!("buyer-{number}"), 100_000).await;
    }
    let published = Listener::start(&world).await;
    let mut leader = Process::worker(&world, "relay");
    leader.until_logged(LEADING).await;
    let successor = Process::worker(&world, "relay");
    successor.until_logged("listening on").await;

    // Orders with a life of two events each; the lead changes in the middle of the second.
    world.start_workers_of(&[Queue::OrderHold, Queue::PaymentConfirm]);
    let orders: Vec<_> =
        (0..ORDERS).map(|n| hold(&format!("buyer-{}", n % 40), &[("mug", 1)], 600)).collect();
    for order in &orders {
        publish(&world, order).await;
    }
    for (number, order) in orders.iter().enumerate() {
        publish(&world, &confirm(order.order_id)).await;
        if number == orders.len() / 2 {
            published.until_any().await;
            assert!(!successor.log().contains(LEADING), "two relays at once");
            leader.kill();
        }
    }
    successor.until_logged(LEADING).await;
    eventually("all orders are paid", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'paid'").await == ORDERS).then_some(())
    })
    .await;
    published.until_complete(&world).await;
    published.assert_in_order_per_order();
    world.finish().await;
}

#[tokio::test]
async fn an_event_whose_transaction_commits_late_is_not_skipped() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("slow", 10).await;
    shop.stock("fast", 10).await;
    let published = Listener::start(&world).await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);

    // The event gets its number here, before those of the orders below, and is committed after them.
    let mut late = world.pool.begin().await.unwrap();
    let slow = hold("late", &[("slow", 1)], 600);
    let slow_id = slow.order_id.to_string();
    apply(&mut late, &HOLD_ORDERS, vec![slow]).await;
    for number in 0..5_i64 {
        publish(&world, &hold(&format!("buyer-{number}"), &[("fast", 1)], 600)).await;
        eventually("the order is held", async || {
            (world.count("SELECT count(*) FROM orders").await == number + 1).then_some(())
        })
        .await;
    }
    late.commit().await.unwrap();

    published.until_complete(&world).await;
    assert_eq!(published.ids().len(), 6);
    assert!(published.facts.lock().unwrap().iter().any(|fact| fact.order == slow_id));
    world.finish().await;
}

#[tokio::test]
async fn events_written_while_no_relay_runs_are_published_when_one_does() {
    let world = World::idle().await;
    world.start_api().await.stock("mug", 3_000).await;
    let published = Listener::start(&world).await;
    let mut tx = world.pool.begin().await.unwrap();
    // More than a relay publishes in one go, so that its cursor moves within the round.
    for batch in 0..6 {
        let batch = (0..400).map(|n| hold(&format!("buyer-{}", batch * 400 + n), &[("mug", 1)], 600));
        apply(&mut tx, &HOLD_ORDERS, batch.collect()).await;
    }
    tx.commit().await.unwrap();
    let mut first = Process::worker(&world, "relay");
    first.until_logged(LEADING).await;
    first.kill();
    let _second = Process::worker(&world, "relay");
    published.until_complete(&world).await;
    published.assert_in_order_per_order();
    assert_eq!(published.ids().len(), 2_400);
    world.finish().await;
}

#[tokio::test]
async fn a_fact_is_not_published_before_the_one_of_its_order_that_it_follows() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    shop.stock("cup", 10).await;
    let published = Listener::start(&world).await;
    let order = hold("alice", &[("mug", 1)], 600);
    let order_id = order.order_id;
    apply_alone(&world, &HOLD_ORDERS, vec![order]).await;
    let more = |seconds: i64| ExtendHold {
        version: Version,
        command_id: CommandId::fresh(),
        order_id,
        extend_seconds: HoldSeconds::parse(seconds).unwrap(),
    };

    // Two transactions get their ids, then a third one that goes on for long, then one that writes the order's second fact.
    let mut early = world.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()::text").execute(&mut *early).await.unwrap();
    let mut other = world.pool.begin().await.unwrap();
    let of_other = hold("bob", &[("cup", 1)], 600);
    let other_id = of_other.order_id.to_string();
    apply(&mut other, &HOLD_ORDERS, vec![of_other]).await;
    let mut long = world.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()::text").execute(&mut *long).await.unwrap();
    apply_alone(&world, &ExtendHolds, vec![more(60)]).await;
    apply(&mut early, &ExtendHolds, vec![more(70), more(80)]).await;
    early.commit().await.unwrap();
    other.commit().await.unwrap();

    // Whoever has published the other order's fact has read all before the long transaction.
    world.start_workers(Pool::Relay);
    let heard = |order: &str| published.sequences(order);
    eventually("the other order is told of", async || (heard(&other_id) == [1]).then_some(())).await;
    assert_eq!(heard(&order_id.to_string()), [1], "a later fact came first");
    long.commit().await.unwrap();
    published.until_complete(&world).await;
    assert_eq!(heard(&order_id.to_string()), [1, 2, 3, 4]);
    published.assert_in_order_per_order();
    world.finish().await;
}

/// A fact as it was published.
struct Fact {
    id: i64,
    order: String,
    sequence: i64,
}

/// Whoever listens to events, on a queue of its own.
pub struct Listener {
    facts: Arc<Mutex<Vec<Fact>>>,
}

impl Listener {
    pub async fn start(world: &World) -> Self {
        let connector = Connector::new(&world.amqp_url, "test listener");
        let channel = connector.channel().await.unwrap();
        let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let queue = channel.queue_declare("".into(), exclusive, Default::default()).await.unwrap();
        let name = queue.name().clone();
        let bound = channel.queue_bind(
            name.clone(),
            "events".into(),
            "#".into(),
            Default::default(),
            Default::default(),
        );
        bound.await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let mut consumer = channel.basic_consume(name, "".into(), options, Default::default()).await.unwrap();

        let facts = Arc::new(Mutex::new(Vec::new()));
        let heard = facts.clone();
        tokio::spawn(async move {
            let _open = connector;
            while let Some(Ok(delivery)) = consumer.next().await {
                let batch: Vec<Value> = serde_json::from_slice(&delivery.data).unwrap();
                assert!(batch.len() <= 100, "a message carries at most a hundred facts");
                heard.lock().unwrap().extend(batch.iter().map(Fact::read));
            }
        });
        Self { facts }
    }

    /// Every event heard so far, each once: after a change of the lead some come twice.
    pub fn ids(&self) -> BTreeSet<i64> {
        self.facts.lock().unwrap().iter().map(|fact| fact.id).collect()
    }

    /// How many facts were heard, each as often as it came.
    pub fn count(&self) -> usize {
        self.facts.lock().unwrap().len()
    }

    /// The places of an order's facts, as they came.
    fn sequences(&self, order: &str) -> Vec<i64> {
        let facts = self.facts.lock().unwrap();
        facts.iter().filter(|fact| fact.order == order).map(|fact| fact.sequence).collect()
    }

    async fn until_any(&self) {
        eventually("an event is published", async || (!self.ids().is_empty()).then_some(())).await;
    }

    /// Waits until every event of the log was heard.
    pub async fn until_complete(&self, world: &World) {
        let logged: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM order_events").fetch_all(&world.pool).await.unwrap();
        let logged: BTreeSet<i64> = logged.into_iter().collect();
        eventually("every event is published", async || (self.ids() == logged).then_some(())).await;
    }

    /// Fails if an order's event was heard for the first time after a later one of that order.
    pub fn assert_in_order_per_order(&self) {
        let mut last: HashMap<String, i64> = HashMap::new();
        let mut seen = BTreeSet::new();
        for fact in self.facts.lock().unwrap().iter().filter(|fact| seen.insert(fact.id)) {
            let before = last.insert(fact.order.clone(), fact.id);
            assert!(before.is_none_or(|before| before < fact.id), "{} of {}", fact.id, fact.order);
        }
    }
}

impl Fact {
    fn read(event: &Value) -> Self {
        assert_eq!(event["specversion"], "1.0");
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        let sequence = event["ordersequence"].as_i64().unwrap();
        Self { id: text("id").parse().unwrap(), order: text("subject"), sequence }
    }
}

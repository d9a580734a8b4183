//! Poison among good messages: it is set aside with its reason, and its neighbours are applied.

use std::sync::Arc;
use std::time::Duration;

use holdfast::broker::envelope::{Incoming, X_ATTEMPT};
use holdfast::domain::ids::OrderId;
use holdfast::domain::limits::Limits;
use holdfast::effects::settings::{EffectSettings, MailSettings};
use holdfast::gateway::toss::{Toss, TossSettings};
use holdfast::message::{HoldOrder, Queue, encode};
use holdfast::peers::webhook::WebhookSecrets;
use holdfast_workers::engine::runner;
use holdfast_workers::engine::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker};
use holdfast_workers::jobs::hold_orders::HoldOrders;
use holdfast_workers::pools::Pool;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::commands::{hold, named, publish, publish_strange};
use crate::support::eventually;
use crate::support::random::Random;
use crate::support::world::World;

/// Good orders before the poison, and as many behind it.
pub const NEIGHBOURS: i64 = 3;

#[tokio::test]
async fn a_customer_too_long_for_an_index_is_cut_and_its_letter_collected_like_others() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::DeadLetters);
    let mut random = Random(3);
    let mut hangul =
        || char::from_u32(0xac00 + u32::try_from(random.below(11_172)).unwrap()).expect("a syllable");
    let customer: String = (0..2_000).map(|_| hangul()).collect();
    let body = json!({"version": 1, "customer_id": customer, "items": [{"sku": customer}]}).to_string();
    publish_strange(&world, "order.hold", named("too long"), body.as_bytes()).await;
    world.dead_letter("malformed").await;
    assert_eq!(world.count("SELECT max(length(customer_id))::bigint FROM dead_letters").await, 200);
    world.finish().await;
}

#[tokio::test]
async fn unreadable_messages_become_dead_letters_with_their_reason_and_their_neighbours_are_held() {
    let poison: [(&str, Vec<u8>, &str); 7] = [
        ("not-json", b"{not json".to_vec(), "the body is not JSON"),
        ("empty", Vec::new(), "the body is not JSON"),
        ("not-text", vec![b'"', 0xff, 0xfe, b'"'], "the body is not JSON"),
        ("negative", changed("/items/0/quantity", json!(-1)), "quantity must be a whole number"),
        ("huge", changed("/items/0/quantity", json!(1_u64 << 63)), "the body breaks a rule"),
        ("too-large", changed("/padding", json!("x".repeat(70_000))), "more than 65536"),
        ("incomplete", b"{\"version\":1}".to_vec(), "missing field"),
    ];
    let world = with_stock().await;
    good_orders(&world).await;
    for (name, body, _) in &poison {
        publish_strange(&world, "order.hold", named(name), body).await;
    }
    good_orders(&world).await;
    start(&world);

    until_neighbours_are_held(&world).await;
    for (name, body, reason) in poison {
        let letter = letter(&world, name).await;
        assert_eq!((letter.class.as_str(), letter.attempts, letter.body), ("malformed", 1, body), "{name}");
        assert!(letter.text.contains(reason), "{name}: {}", letter.text);
    }
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 7);
    world.finish().await;
}

#[tokio::test]
async fn every_queue_sets_its_poison_aside() {
    let mut world = World::idle().await;
    // Nobody is asked or told about what cannot be read, but what is not configured has no consumer.
    let toss = TossSettings {
        url: "http://127.0.0.1:9".to_owned(),
        secret_key: "unused".parse().unwrap(),
        timeout: Duration::from_secs(1),
        webhook_secrets: WebhookSecrets::default(),
    };
    world.gateway = Some(Arc::new(Toss::new(&toss).unwrap()));
    let effects = EffectSettings {
        mail: MailSettings {
            mail_url: Some("smtp://127.0.0.1:9".parse().unwrap()),
            mail_from: Some("shop@example.com".to_owned()),
        },
        data_platform_url: Some("http://127.0.0.1:9".to_owned()),
        data_platform_secret: vec!["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz".parse().unwrap()],
    };
    world.outlets = effects.open().unwrap();
    world.start_all_workers();
    for queue in Queue::ALL {
        publish_strange(&world, queue.name(), named(queue.name()), b"[1, 2").await;
    }
    for queue in Queue::ALL {
        assert_eq!(letter(&world, queue.name()).await.queue, queue.name());
    }
    world.finish().await;
}

#[tokio::test]
async fn a_newer_version_is_offered_again_with_growing_delays_and_then_set_aside() {
    let world = with_stock().await;
    start(&world);
    publish_strange(&world, "order.hold", named("newer"), &changed("/version", json!(2))).await;
    // A count that is no number of ours is no count: this one has all its attempts before it.
    let forged = named("forged").with_headers(attempt(AMQPValue::LongString("99".into())));
    publish_strange(&world, "order.hold", forged, &changed("/version", json!(2))).await;
    let forged = named("negative").with_headers(attempt(AMQPValue::LongInt(-9)));
    publish_strange(&world, "order.hold", forged, &changed("/version", json!(2))).await;

    for name in ["newer", "forged", "negative"] {
        let letter = letter(&world, name).await;
        assert_eq!((letter.class.as_str(), letter.attempts), ("gave_up", 4), "{name}");
        assert!(letter.text.contains("newer than this worker"), "{}", letter.text);
    }
    world.finish().await;
}

#[tokio::test]
async fn poison_without_a_message_id_is_set_aside_once() {
    let world = with_stock().await;
    for _ in 0..3 {
        publish_strange(&world, "order.hold", BasicProperties::default(), b"rubbish").await;
    }
    good_orders(&world).await;
    start(&world);
    until_held(&world, NEIGHBOURS).await;
    eventually("the copies are collected", async || {
        (world.depth("order.hold.dead").await == 0).then_some(())
    })
    .await;
    assert_eq!(world.dead_letter("malformed").await.split(':').next(), Some("the body is not JSON"));
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_message_that_makes_its_worker_panic_is_set_aside_and_its_neighbours_are_held() {
    let world = with_stock().await;
    good_orders(&world).await;
    let guilty = hold("mallory", &[("mug", 1)], 600);
    publish(&world, &guilty).await;
    good_orders(&world).await;
    let worker = PanicsFor(guilty.order_id);
    world.tasks.spawn(runner::run(worker, world.context(), runner::turns(1)));
    world.start_workers(Pool::DeadLetters);

    until_neighbours_are_held(&world).await;
    assert_eq!(world.dead_letter("panic").await, format!("{} is cursed", guilty.order_id));
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_message_that_breaks_a_rule_of_the_database_is_found_by_halving() {
    let world = with_stock().await;
    // No message that passes our own checks breaks a rule of the schema, so the schema gets one more.
    world.execute("ALTER TABLE orders ADD CONSTRAINT no_mallory CHECK (customer_id <> 'mallory')").await;
    good_orders(&world).await;
    publish(&world, &hold("mallory", &[("mug", 1)], 600)).await;
    good_orders(&world).await;
    publish(&world, &hold("mallory", &[("mug", 2)], 600)).await;
    start(&world);

    until_neighbours_are_held(&world).await;
    assert!(world.dead_letter("database").await.contains("no_mallory"));
    eventually("both are set aside", async || {
        (world.count("SELECT count(*) FROM dead_letters").await == 2).then_some(())
    })
    .await;
    world.finish().await;
}

/// Holds orders, but one of them is too much for it.
struct PanicsFor(OrderId);

static HOLD_ORDERS: HoldOrders =
    HoldOrders::new(Limits { max_live_holds: 1_000, max_units_per_sku: 1_000 }, 250);

impl Worker for PanicsFor {
    type Message = HoldOrder;

    fn queue(&self) -> String {
        HOLD_ORDERS.queue()
    }

    fn limits(&self) -> BatchLimits {
        HOLD_ORDERS.limits()
    }

    fn read(&self, incoming: &Incoming) -> Result<HoldOrder, Verdict> {
        HOLD_ORDERS.read(incoming)
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<HoldOrder>],
    ) -> Result<Applied, ApplyError> {
        let applied = HOLD_ORDERS.apply(tx, batch).await;
        // After the work, so that there is something to roll back.
        assert!(batch.iter().all(|delivered| delivered.message.order_id != self.0), "{} is cursed", self.0);
        applied
    }
}

/// A world with mugs in which nothing reads commands yet.
pub async fn with_stock() -> World {
    let world = World::idle().await;
    world.start_api().await.stock("mug", 100).await;
    world
}

pub fn start(world: &World) {
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::DeadLetters);
}

pub async fn good_orders(world: &World) {
    for _ in 0..NEIGHBOURS {
        publish(world, &hold("alice", &[("mug", 1)], 600)).await;
    }
}

pub async fn until_neighbours_are_held(world: &World) {
    until_held(world, 2 * NEIGHBOURS).await;
}

pub async fn until_held(world: &World, count: i64) {
    eventually("the good orders are held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == count).then_some(())
    })
    .await;
}

/// The body of a good `order.hold`.
pub fn body() -> Vec<u8> {
    encode(&hold("alice", &[("mug", 1)], 600))
}

/// The body of a good `order.hold` with one field set to something else.
pub fn changed(pointer: &str, value: Value) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&body()).unwrap();
    match body.pointer_mut(pointer) {
        Some(field) => *field = value,
        None => body[pointer.trim_start_matches('/')] = value,
    }
    serde_json::to_vec(&body).unwrap()
}

pub fn attempt(value: AMQPValue) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert(X_ATTEMPT.into(), value);
    headers
}

/// A dead letter as the table has it.
#[derive(sqlx::FromRow)]
pub struct Letter {
    pub queue: String,
    #[sqlx(rename = "error_class")]
    pub class: String,
    #[sqlx(rename = "error_text")]
    pub text: String,
    pub attempts: i32,
    pub body: Vec<u8>,
}

/// Waits for the dead letter of this message.
pub async fn letter(world: &World, message_id: &str) -> Letter {
    eventually(&format!("{message_id} is a dead letter"), async || {
        let sql =
            "SELECT queue, error_class, error_text, attempts, body FROM dead_letters WHERE message_id = $1";
        sqlx::query_as(sql).bind(message_id).fetch_optional(&world.pool).await.unwrap()
    })
    .await
}

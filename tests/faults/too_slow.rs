//! Work that the database cannot do in time: it waits on a rung, its neighbours are applied, and nobody calls it an outage.

use std::time::Duration;

use holdfast::broker::envelope::Incoming;
use holdfast::message::{CancelOrder, Queue};
use holdfast_workers::engine::runner;
use holdfast_workers::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command,
};
use holdfast_workers::loops::{sweep, sweep_holds};
use holdfast_workers::pools::Pool;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::commands::{hold, named, publish, publish_strange};
use crate::poison::{changed, good_orders, letter, start, until_held, until_neighbours_are_held, with_stock};
use crate::support::eventually_within;
use crate::support::world::World;

/// How long the search for the slow one may take: each of its tries ends after five seconds.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_message_that_is_too_slow_waits_while_its_neighbours_are_held_and_is_held_when_it_can_be() {
    let world = with_stock().await;
    slow_for_mallory(&world).await;
    good_orders(&world).await;
    publish(&world, &hold("mallory", &[("mug", 1)], 600)).await;
    good_orders(&world).await;
    start(&world);

    let held = "SELECT count(*) FROM orders WHERE status = 'held'";
    eventually_within(PATIENCE, "the neighbours are held", async || {
        (world.count(held).await == 6).then_some(())
    })
    .await;
    // Who comes later does not wait for it either.
    good_orders(&world).await;
    eventually_within(PATIENCE, "later orders are held", async || {
        (world.count(held).await == 9).then_some(())
    })
    .await;
    world.execute("DROP TRIGGER slow ON orders").await;
    eventually_within(PATIENCE, "the slow order is held in the end", async || {
        (world.count(held).await == 10).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_message_that_was_too_slow_for_an_hour_becomes_a_dead_letter() {
    let world = with_stock().await;
    slow_for_mallory(&world).await;
    let slow = named("slow").with_headers(tried_alone(8));
    publish_strange(&world, "order.hold", slow, &changed("/customer_id", json!("mallory"))).await;
    good_orders(&world).await;
    good_orders(&world).await;
    start(&world);
    until_neighbours_are_held(&world).await;
    let letter = letter(&world, "slow").await;
    assert_eq!((letter.queue.as_str(), letter.class.as_str()), ("order.hold", "too_slow"));
    assert!(letter.text.contains("statement timeout"), "{}", letter.text);
    world.finish().await;
}

/// A migration that holds a lock for minutes is slow for everybody: nobody is set aside for it, and a batch does not try
/// its messages one by one.
#[tokio::test]
async fn a_table_that_is_locked_for_a_while_costs_a_batch_a_few_tries_and_no_message() {
    const MANY: i64 = 60;
    let world = with_stock().await;
    for _ in 0..MANY / 3 {
        good_orders(&world).await;
    }
    let mut migration = PgConnection::connect(&world.database_url).await.unwrap();
    let mut tx = migration.begin().await.unwrap();
    sqlx::query("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    start(&world);
    // One by one, four seconds each, no more than a few would ever wait at the same time.
    eventually_within(PATIENCE, "many of them wait on a rung", async || {
        (on_rungs(&world).await >= 10).then_some(())
    })
    .await;
    tx.rollback().await.unwrap();
    // Some are refused: a customer may hold so much.
    eventually_within(PATIENCE, "all of them are decided", async || {
        (world.count("SELECT count(*) FROM orders").await == MANY).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

/// Each of its statements ends in time and all of them together do not: the server is alive, so it is no outage.
#[tokio::test]
async fn a_batch_of_many_slow_statements_is_no_outage() {
    let world = World::idle().await;
    let body =
        |order: Uuid| json!({"version": 1, "command_id": Uuid::now_v7(), "order_id": order}).to_string();
    let slow = named("slow").with_headers(tried_alone(8));
    publish_strange(&world, "order.cancel", slow, body(Dawdles::FOR).as_bytes()).await;
    publish_strange(&world, "order.cancel", named("quick"), body(Uuid::now_v7()).as_bytes()).await;
    world.tasks.spawn(runner::run(Dawdles, world.context(), runner::turns(1)));
    world.start_workers(Pool::DeadLetters);
    let text = eventually_within(PATIENCE, "the slow one is set aside", async || {
        let sql =
            "SELECT error_text FROM dead_letters WHERE message_id = 'slow' AND error_class = 'too_slow'";
        sqlx::query_scalar::<_, String>(sql).fetch_optional(&world.pool).await.unwrap()
    })
    .await;
    assert!(text.contains("did not end in time"), "{text}");
    world.finish().await;
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_stored_in_time_stays_a_dead_letter_and_holds_up_no_other() {
    let world = World::idle().await;
    world.execute("CREATE TABLE dawdlers AS SELECT 'slow' AS message_id").await;
    world
        .execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(60) FROM dawdlers d WHERE d.message_id = NEW.message_id; RETURN NEW; END'",
        )
        .await;
    world
        .execute("CREATE TRIGGER slow BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION dawdle()")
        .await;
    for name in ["one", "slow", "two"] {
        publish_strange(&world, "order.hold", named(name), name.as_bytes()).await;
    }
    start(&world);
    for name in ["one", "two"] {
        eventually_within(PATIENCE, "the others are stored", async || {
            let sql = "SELECT id FROM dead_letters WHERE message_id = $1";
            sqlx::query_scalar::<_, Uuid>(sql).bind(name).fetch_optional(&world.pool).await.unwrap()
        })
        .await;
    }
    // No lock of the table is asked for: a try that is on its way has one.
    world.execute("DELETE FROM dawdlers").await;
    let letter = letter(&world, "slow").await;
    assert_eq!(
        (letter.queue.as_str(), letter.class.as_str(), letter.attempts),
        ("order.hold", "malformed", 1)
    );
    world.finish().await;
}

#[tokio::test]
async fn a_hold_that_somebody_has_locked_keeps_the_sweeper_from_no_other() {
    let world = with_stock().await;
    good_orders(&world).await;
    start(&world);
    until_held(&world, 3).await;
    let ids: Vec<String> = sqlx::query_scalar("SELECT id::text FROM orders ORDER BY created_at, id")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    for id in &ids {
        world.make_overdue(id).await;
    }
    let mut somebody = PgConnection::connect(&world.database_url).await.unwrap();
    let mut tx = somebody.begin().await.unwrap();
    sqlx::query("SELECT FROM orders WHERE id = $1::uuid FOR UPDATE")
        .bind(&ids[0])
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(sweep_holds::sweep(&world.pool, 0).await.unwrap(), 2);
    tx.rollback().await.unwrap();
    assert_eq!(sweep_holds::sweep(&world.pool, 0).await.unwrap(), 1);
    world.finish().await;
}

#[tokio::test]
async fn payments_that_cannot_be_looked_for_keep_no_charge_asleep() {
    let world = World::idle().await;
    world.execute(FORGOTTEN_CHARGE).await;
    let mut migration = PgConnection::connect(&world.database_url).await.unwrap();
    let mut tx = migration.begin().await.unwrap();
    sqlx::query("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    let _ = sweep::wake_unsettled(&world.pool, &world.publisher, 90, |_| true).await;
    assert_eq!(world.depth("wallet.charge").await, 1);
    tx.rollback().await.unwrap();
    world.execute("DELETE FROM charges").await;
    world.finish().await;
}

/// A charge by card that nobody has asked about for ten hours.
pub const FORGOTTEN_CHARGE: &str =
    "INSERT INTO charges (id, customer_id, amount_won, status, account, payment_key, requested_at, asked_at, created_at)
     VALUES (gen_random_uuid(), 'alice', 1000, 'requesting', 'wallet', 'key-of-a-charge', now() - interval '10 h',
             now() - interval '10 h', now() - interval '10 h')";

/// Makes the database take a minute for every order of one customer.
async fn slow_for_mallory(world: &World) {
    world
        .execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN IF NEW.customer_id = ''mallory'' THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END'",
        )
        .await;
    world.execute("CREATE TRIGGER slow BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION dawdle()").await;
}

/// The header of a message that could not be done in time, alone, so often before.
fn tried_alone(times: i32) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert("x-slow".into(), AMQPValue::LongInt(times));
    headers
}

/// Messages that wait in queues which let them go after a time.
async fn on_rungs(world: &World) -> i64 {
    let definitions = world.topology.definitions();
    let is_rung = |queue: &&Value| queue["arguments"]["x-message-ttl"].is_number();
    let mut waiting = 0;
    for queue in definitions["queues"].as_array().unwrap().iter().filter(is_rung) {
        waiting += i64::from(world.depth(queue["name"].as_str().unwrap()).await);
    }
    waiting
}

/// Cancels nothing, and for one order does so in many small steps.
struct Dawdles;

impl Dawdles {
    const FOR: Uuid = Uuid::from_u128(0xdada);
    /// Together longer than a batch may take, each shorter than a statement may.
    const STEPS: usize = 9;
}

impl Worker for Dawdles {
    type Message = CancelOrder;

    fn queue(&self) -> String {
        Queue::OrderCancel.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 100, weight: usize::MAX, prefetch: 100 }
    }

    fn read(&self, incoming: &Incoming) -> Result<CancelOrder, Verdict> {
        read_command(incoming)
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<CancelOrder>],
    ) -> Result<Applied, ApplyError> {
        if batch.iter().any(|delivered| delivered.message.order_id.uuid() == Self::FOR) {
            for _ in 0..Self::STEPS {
                sqlx::query("SELECT pg_sleep(4)").execute(&mut *tx).await?;
            }
        }
        Ok(Applied { verdicts: vec![Verdict::Done; batch.len()], ..Applied::default() })
    }
}

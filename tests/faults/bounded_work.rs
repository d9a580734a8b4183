//! What an order costs does not depend on what its customer ever did, nor on how many are on hold: rows are counted, not time.

use std::fmt::Debug;

use holdfast::domain::ids::{CommandId, OrderId, SkuCode};
use holdfast::domain::items::{HoldSeconds, Quantity};
use holdfast::domain::limits::Limits;
use holdfast::domain::refund::{Asked, AskedItem, RefundReason};
use holdfast::message::{CancelOrder, Command, ExtendHold, RefundOrder, Version};
use holdfast::store::events::answers;
use holdfast::store::named_locks::Named;
use holdfast::store::refunds;
use holdfast_workers::engine::worker::Worker;
use holdfast_workers::jobs::cancel_orders::CancelOrders;
use holdfast_workers::jobs::confirm_payments::ConfirmPayments;
use holdfast_workers::jobs::expire_orders::ExpireDue;
use holdfast_workers::jobs::extend_holds::ExtendHolds;
use holdfast_workers::jobs::hold_orders::HoldOrders;
use holdfast_workers::jobs::refund_orders::RefundOrders;
use serde_json::json;
use sqlx::PgConnection;

use crate::commands::{apply, apply_alone, charge, confirm, expire, hold, until_somebody_waits_for_a_lock};
use crate::support::history::{self, Past};
use crate::support::world::World;

/// Rows and entries of indexes that one command may read: what it is about, and the way there.
const ROWS_PER_COMMAND: i64 = 100;
/// Orders in each batch.
const BATCH: usize = 20;
/// What is known to be long: the past of one customer, and the live holds of the shop.
const LONG: i64 = 20_000;

#[tokio::test]
async fn an_order_costs_the_same_whatever_its_customer_did_and_however_many_are_on_hold() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10_000).await;
    without_statistics(&world).await;
    history::fill(&world, Past::Refused, LONG, "refused", 1).await;
    history::fill(&world, Past::Paid, LONG, "paid", 1).await;
    history::fill(&world, Past::Paid, 10_000, "others", 1_000).await;
    history::fill(&world, Past::Held, LONG, "holding", 4_000).await;
    world.execute("UPDATE skus SET max_per_customer = 1000000 WHERE code = 'past'").await;
    world
        .execute(
            "WITH received AS (
                 INSERT INTO stock_movements (sku_id, on_hand_change, reason)
                 SELECT id, 1000, 'received' FROM skus WHERE code = 'past' RETURNING sku_id)
             UPDATE stock SET on_hand = on_hand + 1000 FROM received WHERE stock.sku_id = received.sku_id",
        )
        .await;
    let mut read = vec![];
    for statistics in ["none", "fresh"] {
        if statistics == "fresh" {
            world.execute("ANALYZE").await;
        }
        for (what, rows) in life_of_a_batch(&world).await {
            read.push((statistics, what, rows / BATCH as i64));
        }
    }
    let too_many: Vec<_> = read.iter().filter(|(.., rows)| *rows > ROWS_PER_COMMAND).collect();
    assert!(too_many.is_empty(), "rows read per command: {too_many:?}");
    assert!(read.iter().all(|(.., rows)| *rows > 0), "reading is not counted: {read:?}");
    world.finish().await;
}

/// Refused extensions of one order, and refunds of another.
const EXTENSIONS: i64 = 2_000;
const REFUNDS: usize = 500;
const MANY_UNITS: i64 = 1_000;

#[tokio::test]
async fn a_command_costs_the_same_however_often_its_order_was_extended_or_given_back() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10_000).await;
    charge(&world, "alice", 100_000).await;
    without_statistics(&world).await;
    let limits = Limits { max_live_holds: 50, max_units_per_sku: 2_000 };
    let extended = hold("alice", &[("mug", 1)], 600);
    let returned = hold("bob", &[("free", MANY_UNITS), ("mug", 1)], 600);
    let (extended_id, returned_id) = (extended.order_id, returned.order_id);
    charge(&world, "bob", 1_000).await;
    shop.put("/v1/skus/free", &json!({"name": "Free", "price_won": 0, "on_hand": MANY_UNITS})).await;
    apply_alone(&world, &HoldOrders::new(limits, 500), vec![extended, returned]).await;
    for _ in 0..EXTENSIONS / 250 {
        apply_alone(&world, &ExtendHolds, (0..250).map(|_| extend(extended_id, 3_600)).collect()).await;
    }
    let facts = "SELECT count(*) FROM order_events WHERE type = 'order.extension_refused'";
    assert_eq!(world.count(facts).await, EXTENSIONS);
    apply_alone(&world, &ConfirmPayments, vec![confirm(returned_id)]).await;
    for _ in 0..REFUNDS / 50 {
        apply_alone(&world, &RefundOrders, (0..50).map(|_| refund_one(returned_id)).collect()).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM refunds").await, REFUNDS as i64);

    let mut read = vec![];
    for statistics in ["none", "fresh"] {
        if statistics == "fresh" {
            world.execute("ANALYZE").await;
        }
        let again = extend(extended_id, 3_600);
        let looked_for = again.command_id;
        read.push((statistics, "extend", measure(&world, &ExtendHolds, vec![again]).await));
        let one_more = refund_one(returned_id);
        let given_back = one_more.command_id;
        read.push((statistics, "refund", measure(&world, &RefundOrders, vec![one_more]).await));
        let mut tx = world.pool.begin().await.unwrap();
        let before = read_so_far(&mut tx).await;
        let found = answers::find(&mut tx, extended_id, &[looked_for]).await.unwrap().unwrap();
        assert_eq!(found.answers.len(), 1);
        read.push((statistics, "look", read_so_far(&mut tx).await - before));
        let before = read_so_far(&mut tx).await;
        assert!(refunds::asked_for(&mut tx, given_back).await.unwrap().is_some());
        assert!(refunds::open_of_order(&mut tx, returned_id).await.unwrap().is_empty());
        read.push((statistics, "what is asked of a refund", read_so_far(&mut tx).await - before));
        let before = read_so_far(&mut tx).await;
        assert_eq!(refunds::of_order(&mut tx, returned_id).await.unwrap().len(), 200);
        // An entry and a row of each. Before a table was ever looked at, PostgreSQL may sort all refunds of the order.
        let listed = read_so_far(&mut tx).await - before;
        let told = if statistics == "none" { REFUNDS as i64 } else { 200 };
        assert!(listed <= 2 * told + ROWS_PER_COMMAND, "{statistics}: {listed}");
    }
    let told = shop.as_customer("bob").get(&format!("/v1/orders/{}/refunds", returned_id.uuid())).await;
    let told = told.body.as_array().unwrap();
    let latest = "SELECT id::text FROM refunds ORDER BY created_at DESC, id DESC LIMIT 1";
    let latest: String = sqlx::query_scalar(latest).fetch_one(&world.pool).await.unwrap();
    assert_eq!((told.len(), &told[199]["id"]), (200, &json!(latest)));
    read.push(("fresh", "pay", measure(&world, &ConfirmPayments, vec![confirm(extended_id)]).await));
    let too_many: Vec<_> = read.iter().filter(|(.., rows)| *rows > ROWS_PER_COMMAND).collect();
    assert!(too_many.is_empty(), "rows read: {too_many:?}");
    assert!(read.iter().all(|(.., rows)| *rows > 0), "reading is not counted: {read:?}");
    world.finish().await;
}

fn extend(order_id: OrderId, seconds: i64) -> ExtendHold {
    let extend_seconds = HoldSeconds::parse(seconds).unwrap();
    ExtendHold { version: Version, command_id: CommandId::fresh(), order_id, extend_seconds }
}

/// Gives one of the free units back.
fn refund_one(order_id: OrderId) -> RefundOrder {
    let one = AskedItem {
        sku: SkuCode::parse("free").unwrap(),
        quantity: Quantity::parse(1).unwrap(),
        restock: true,
    };
    refund(order_id, Asked::Items(vec![one]))
}

fn refund(order_id: OrderId, asked: Asked) -> RefundOrder {
    let reason = RefundReason::parse("a test").unwrap();
    RefundOrder { version: Version, command_id: CommandId::fresh(), order_id, asked, reason }
}

/// Nothing looks at the tables until the test says so.
pub async fn without_statistics(world: &World) {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    for table in tables {
        let off = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        sqlx::query(sqlx::AssertSqlSafe(off)).execute(&world.pool).await.unwrap();
    }
}

/// Holds, extends, pays, gives back, calls off and lets expire a batch of orders each, for customers with a long past and for
/// others. Returns what read how many rows.
async fn life_of_a_batch(world: &World) -> Vec<(&'static str, i64)> {
    let fresh = CommandId::fresh();
    let mut buyers =
        vec!["refused-0".to_owned(), "paid-0".to_owned(), "others-7".to_owned(), "holding-7".to_owned()];
    buyers.extend((buyers.len()..BATCH).map(|n| format!("new-{n}-{}", fresh.0)));
    let mut lives = vec![];
    let mut batches = vec![];
    for _ in 0..3 {
        let holds: Vec<_> = buyers.iter().map(|buyer| hold(buyer, &[("mug", 1), ("past", 1)], 600)).collect();
        batches.push(holds.iter().map(|command| command.order_id).collect::<Vec<OrderId>>());
        let worker = HoldOrders::new(Limits { max_live_holds: 50, max_units_per_sku: 100 }, 500);
        lives.push(("hold", measure(world, &worker, holds).await));
    }
    let [paid, cancelled, expired] = <[Vec<OrderId>; 3]>::try_from(batches).unwrap();
    let extensions = paid.iter().map(|order| extend(*order, 60)).collect();
    lives.push(("extend", measure(world, &ExtendHolds, extensions).await));
    for buyer in &buyers {
        charge(world, buyer, 1_000).await;
    }
    lives.push((
        "pay",
        measure(world, &ConfirmPayments, paid.iter().map(|order| confirm(*order)).collect()).await,
    ));
    let refunds = paid.iter().map(|order| refund(*order, Asked::All { restock: true })).collect();
    lives.push(("refund", measure(world, &RefundOrders, refunds).await));
    let cancel =
        |order: &OrderId| CancelOrder { version: Version, command_id: CommandId::fresh(), order_id: *order };
    lives.push(("cancel", measure(world, &CancelOrders, cancelled.iter().map(cancel).collect()).await));
    for order in &expired {
        world.make_overdue(&order.to_string()).await;
    }
    lives.push((
        "expire",
        measure(world, &ExpireDue, expired.iter().map(|order| expire(&[*order])).collect()).await,
    ));
    lives
}

/// How many rows and entries of indexes a worker reads for a batch.
pub async fn measure<W: Worker>(world: &World, worker: &W, commands: Vec<W::Message>) -> i64
where
    W::Message: Command + Debug,
{
    let mut tx = world.pool.begin().await.unwrap();
    let before = read_so_far(&mut tx).await;
    apply(&mut tx, worker, commands).await;
    let read = read_so_far(&mut tx).await - before;
    tx.commit().await.unwrap();
    read
}

/// What this connection has read in this transaction; dead entries of indexes count, too.
pub async fn read_so_far(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT (SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint FROM pg_stat_xact_user_tables)
              + (SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(i.indexrelid)), 0)::bigint
                   FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                  WHERE c.relnamespace = 'public'::regnamespace)",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn batches_that_lock_many_customers_wait_for_a_slot_and_small_ones_do_not() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 1_000).await;
    let worker = HoldOrders::new(Limits::default(), 500);
    let batch = |name: &str, size: usize| -> Vec<_> {
        (0..size).map(|n| hold(&format!("{name}-{n}"), &[("mug", 1)], 600)).collect()
    };
    let mut others = world.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1, slot) FROM generate_series(0, 500) AS slot")
        .bind(Named::Customers { at_most: 500 }.slots())
        .execute(&mut *others)
        .await
        .unwrap();

    let mut small = world.pool.begin().await.unwrap();
    apply(&mut small, &worker, batch("few", 10)).await;
    small.commit().await.unwrap();

    let mut large = world.pool.begin().await.unwrap();
    let (_, ()) = tokio::join!(apply(&mut large, &worker, batch("many", 100)), async {
        until_somebody_waits_for_a_lock(&world).await;
        others.rollback().await.unwrap();
    });
    // One of its own, and its customers.
    let slots = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objsubid = 2
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let held: i64 = sqlx::query_scalar(slots)
        .bind(Named::Customers { at_most: 500 }.slots())
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(held, 1);
    large.commit().await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE status = 'held'").await, 110);
    world.finish().await;
}

#[tokio::test]
async fn slots_take_a_quarter_of_the_servers_table_of_locks_and_there_is_always_one() {
    let world = World::idle().await;
    for (locks, connections, largest, slots) in
        [(64, 300, 500, 9), (256, 300, 500, 38), (64, 100, 250, 6), (10, 20, 500, 1), (64, 300, 1_000, 4)]
    {
        let found: i32 = sqlx::query_scalar("SELECT lock_slots($1, $2, $3)")
            .bind(locks)
            .bind(connections)
            .bind(largest)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(found, slots, "{locks} per transaction, {connections} connections, {largest} at once");
        assert!(found == 1 || found * largest <= locks * connections / 4);
    }
    world.finish().await;
}

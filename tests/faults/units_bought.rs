//! Units bought per customer and SKU: counted whoever sells or gives back, workers of the version before included, and from
//! before there was a count.

use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::limits::Limits;
use holdfast::domain::refund::{Asked, RefundReason};
use holdfast::message::{RefundOrder, Version};
use holdfast_workers::jobs::confirm_payments::ConfirmPayments;
use holdfast_workers::jobs::hold_orders::HoldOrders;
use holdfast_workers::jobs::refund_orders::RefundOrders;
use serde_json::json;

use crate::commands::{apply, apply_alone, charge, confirm, hold, until_somebody_waits_for_a_lock};
use crate::support::history::{self, Past};
use crate::support::world::World;

const COUNTED: &str = include_str!("../../migrations/0121_units_bought.sql");
const BEFORE: &str = include_str!("../../migrations/0122_units_bought_before.sql");

#[tokio::test]
async fn what_was_bought_before_and_is_sold_by_workers_of_the_version_before_is_counted_once() {
    let (world, worker) = with_tickets(100).await;
    let [given_back, kept] = [buy(&world, &worker, "alice").await, buy(&world, &worker, "alice").await];
    apply_alone(&world, &RefundOrders, vec![refund(given_back)]).await;
    // The schema of the version before, with a past.
    for undo in [
        "DROP FUNCTION count_sale_of_older_worker, count_refund_of_older_worker CASCADE",
        "DROP TABLE units_bought",
    ] {
        world.execute(undo).await;
    }
    history::fill(&world, Past::Paid, 25_000, "past", 100).await;

    let mut tx = world.pool.begin().await.unwrap();
    sqlx::raw_sql(COUNTED).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let during = buy_from_an_older_worker(&world, &worker, "bob").await;
    sqlx::raw_sql(BEFORE).execute(&world.pool).await.unwrap();
    // Once more, as after a crash behind the last part.
    sqlx::raw_sql(BEFORE).execute(&world.pool).await.unwrap();
    assert_eq!(world.count("SELECT sum(units)::bigint FROM units_bought").await, 25_000 + 1 + 1);
    world.audit().await;

    let after = buy_from_an_older_worker(&world, &worker, "bob").await;
    assert_eq!(world.count("SELECT units FROM units_bought WHERE customer_id = 'bob'").await, 2);
    refund_by_an_older_worker(&world, after).await;
    assert_eq!(world.count("SELECT units FROM units_bought WHERE customer_id = 'bob'").await, 1);
    world.audit().await;
    apply_alone(&world, &RefundOrders, vec![refund(during), refund(kept)]).await;
    let left = "SELECT count(*) FROM units_bought WHERE customer_id IN ('alice', 'bob')";
    assert_eq!(world.count(left).await, 0, "a row goes with its last unit");
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_is_paid_while_the_next_one_is_decided_counts_once() {
    // Both ways of reading in two steps would be caught: what is held first, and what is bought first.
    for (locked, units, held) in [
        ("LOCK TABLE units_bought, refunds IN ACCESS EXCLUSIVE MODE", 2, true),
        ("LOCK TABLE order_items IN ACCESS EXCLUSIVE MODE", 3, false),
    ] {
        let (world, worker) = with_tickets(4).await;
        charge(&world, "alice", 10_000).await;
        let first = hold("alice", &[("ticket", 2)], 600);
        apply_alone(&world, &worker, vec![first.clone()]).await;

        let mut paying = world.pool.begin().await.unwrap();
        sqlx::query(locked).execute(&mut *paying).await.unwrap();
        let mut ordering = world.pool.begin().await.unwrap();
        let next = hold("alice", &[("ticket", units)], 600);
        tokio::join!(apply(&mut ordering, &worker, vec![next]), async {
            until_somebody_waits_for_a_lock(&world).await;
            apply(&mut paying, &ConfirmPayments, vec![confirm(first.order_id)]).await;
            paying.commit().await.unwrap();
        });
        ordering.commit().await.unwrap();
        let is_held = world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 1;
        assert_eq!(is_held, held, "{units} more of 4 while 2 are being paid, after {locked}");
        let counted = "SELECT count(*) FROM orders WHERE refusal ->> 'already_held' = '2'";
        assert_eq!(world.count(counted).await, i64::from(!held));
        world.finish().await;
    }
}

pub async fn with_tickets(limit: i64) -> (World, HoldOrders) {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let ticket = json!({"name": "Ticket", "price_won": 1_000, "on_hand": 100, "max_per_customer": limit});
    assert_eq!(shop.put("/v1/skus/ticket", &ticket).await.status, 201);
    (world, HoldOrders::new(Limits::default(), 250))
}

async fn held(world: &World, worker: &HoldOrders, customer: &str) -> OrderId {
    charge(world, customer, 1_000).await;
    let order = hold(customer, &[("ticket", 1)], 600);
    apply_alone(world, worker, vec![order.clone()]).await;
    order.order_id
}

pub async fn buy(world: &World, worker: &HoldOrders, customer: &str) -> OrderId {
    let order = held(world, worker, customer).await;
    apply_alone(world, &ConfirmPayments, vec![confirm(order)]).await;
    order
}

pub fn refund(order_id: OrderId) -> RefundOrder {
    let (command_id, asked) = (CommandId::fresh(), Asked::All { restock: true });
    let reason = RefundReason::parse("a test").unwrap();
    RefundOrder { version: Version, command_id, order_id, asked, reason }
}

/// As a worker leaves it that neither counts nor says so.
const AS_OLDER_WORKER: &str = "SELECT set_config('holdfast.counts_units', '', true)";

async fn buy_from_an_older_worker(world: &World, worker: &HoldOrders, customer: &'static str) -> OrderId {
    let order = held(world, worker, customer).await;
    let mut tx = world.pool.begin().await.unwrap();
    apply(&mut tx, &ConfirmPayments, vec![confirm(order)]).await;
    let uncount = "UPDATE units_bought SET units = units - 1 WHERE customer_id = $1";
    sqlx::query(uncount).bind(customer).execute(&mut *tx).await.unwrap();
    sqlx::query(AS_OLDER_WORKER).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    order
}

async fn refund_by_an_older_worker(world: &World, order: OrderId) {
    let mut tx = world.pool.begin().await.unwrap();
    apply(&mut tx, &RefundOrders, vec![refund(order)]).await;
    let uncount = "UPDATE units_bought SET units = units + 1 WHERE customer_id = 'bob'";
    sqlx::query(uncount).execute(&mut *tx).await.unwrap();
    sqlx::query(AS_OLDER_WORKER).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

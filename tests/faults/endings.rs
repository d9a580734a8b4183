//! Two ends for one order at once: paid and expired, paid and cancelled. It has one end, by whoever came first.

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::clock;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::limits::Limits;
use holdfast::message::{CancelOrder, Version};
use holdfast_workers::jobs::cancel_orders::CancelOrders;
use holdfast_workers::jobs::confirm_payments::ConfirmPayments;
use holdfast_workers::jobs::expire_orders::ExpireDue;
use holdfast_workers::jobs::hold_orders::HoldOrders;
use holdfast_workers::loops::sweep_holds::sweep;

use crate::commands::{apply, apply_alone, charge, confirm, expire, hold, until_somebody_waits_for_a_lock};
use crate::support::world::World;

/// Orders that are raced for at the same moment; all of one customer, so that they share a wallet too.
const TOGETHER: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_orders_confirmed_and_due_at_the_same_millisecond_are_paid_or_expired_never_both() {
    let (world, orders) = held_orders(1_000).await;
    for (round, orders) in (0..).zip(orders.chunks(TOGETHER)) {
        let deadline = due_within_milliseconds(&world, orders, 5).await;
        // The payment begins in the last millisecond before the deadline, the expiry right on it.
        let paid_at = deadline - TimeDelta::microseconds(round % 5 * 250);
        let paying = async {
            wait_until(paid_at).await;
            let commands = orders.iter().map(|order| confirm(*order)).collect();
            apply_alone(&world, &ConfirmPayments, commands).await;
        };
        let expiring = async {
            wait_until(deadline).await;
            apply_alone(&world, &ExpireDue, vec![expire(orders)]).await;
        };
        tokio::join!(paying, expiring);
    }
    sweep(&world.pool, 0).await.unwrap();

    let paid = world.count("SELECT count(*) FROM orders WHERE status = 'paid'").await;
    let expired = world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await;
    println!("{paid} paid, {expired} expired");
    assert_eq!(paid + expired, 1_000);
    assert_eq!(world.count("SELECT sum(on_hand)::bigint FROM stock").await, 1_000 - paid);
    assert_eq!(world.count("SELECT sum(reserved)::bigint FROM stock").await, 0);
    let taken = "SELECT sum(amount_won)::bigint FROM payments WHERE status = 'captured'";
    assert_eq!(world.count(taken).await, paid * 1_000);
    world.finish().await;
}

#[tokio::test]
async fn whoever_locks_a_due_order_first_decides_whether_it_is_paid() {
    let (world, orders) = held_orders(2).await;
    let (first, second) = (orders[0], orders[1]);
    // Both payments begin in time: a transaction's time is when it began.
    let (mut paying_first, mut paying_last) =
        (world.pool.begin().await.unwrap(), world.pool.begin().await.unwrap());
    for tx in [&mut paying_first, &mut paying_last] {
        sqlx::query("SELECT now()").execute(&mut **tx).await.unwrap();
    }
    due_within_milliseconds(&world, &orders, 0).await;

    apply(&mut paying_first, &ConfirmPayments, vec![confirm(first)]).await;
    tokio::join!(apply_alone(&world, &ExpireDue, vec![expire(&[first])]), async {
        until_somebody_waits_for_a_lock(&world).await;
        paying_first.commit().await.unwrap();
    });

    let mut expiring_first = world.pool.begin().await.unwrap();
    apply(&mut expiring_first, &ExpireDue, vec![expire(&[second])]).await;
    let paying_too_late = async {
        apply(&mut paying_last, &ConfirmPayments, vec![confirm(second)]).await;
        paying_last.commit().await.unwrap();
    };
    tokio::join!(paying_too_late, async {
        until_somebody_waits_for_a_lock(&world).await;
        expiring_first.commit().await.unwrap();
    });

    assert_eq!(status(&world, first).await, "paid");
    assert_eq!(status(&world, second).await, "expired");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_confirmed_and_cancelled_at_once_are_paid_or_cancelled_never_both() {
    let (world, orders) = held_orders(250).await;
    for orders in orders.chunks(TOGETHER) {
        let cancel = |order: &OrderId| CancelOrder {
            version: Version,
            command_id: CommandId::fresh(),
            order_id: *order,
        };
        // Within a batch the orders come in opposite directions: whoever locks them must sort them.
        let cancels = orders.iter().rev().map(cancel).collect();
        let payments = orders.iter().map(|order| confirm(*order)).collect();
        tokio::join!(
            apply_alone(&world, &ConfirmPayments, payments),
            apply_alone(&world, &CancelOrders, cancels)
        );
    }
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE status IN ('paid', 'cancelled')").await, 250);
    world.finish().await;
}

/// Held orders of 1,000 won each in a world of their own, and the money to pay for them.
async fn held_orders(count: usize) -> (World, Vec<OrderId>) {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", count as i64).await;
    let worker = HoldOrders::new(Limits::default(), 250);
    let mut orders = Vec::with_capacity(count);
    for customer in (0..count.div_ceil(TOGETHER)).map(|n| format!("buyer-{n}")) {
        let wanted = TOGETHER.min(count - orders.len());
        let commands: Vec<_> = (0..wanted).map(|_| hold(&customer, &[("mug", 1)], 600)).collect();
        orders.extend(commands.iter().map(|command| command.order_id));
        apply_alone(&world, &worker, commands).await;
        charge(&world, &customer, 1_000 * TOGETHER as i64).await;
    }
    (world, orders)
}

/// Moves the deadline of some holds to one instant that is so near that a payment may still make it.
async fn due_within_milliseconds(world: &World, orders: &[OrderId], milliseconds: i32) -> DateTime<Utc> {
    let ids: Vec<_> = orders.iter().map(|order| order.uuid()).collect();
    let sql = "UPDATE orders SET expires_at = (SELECT clock_timestamp() + $2 * interval '1 ms')
                WHERE id = ANY($1) RETURNING expires_at";
    sqlx::query_scalar(sql).bind(ids).bind(milliseconds).fetch_one(&world.pool).await.unwrap()
}

/// Waits actively: a timer of tokio's is up to a millisecond late.
async fn wait_until(instant: DateTime<Utc>) {
    while clock::now() < instant {
        tokio::task::yield_now().await;
    }
}

async fn status(world: &World, order: OrderId) -> String {
    let sql = "SELECT status::text FROM orders WHERE id = $1";
    sqlx::query_scalar(sql).bind(order.uuid()).fetch_one(&world.pool).await.unwrap()
}

//! `kill -9` of a worker at every point of its batch cycle: nothing is lost and nothing is done twice.

use holdfast::domain::ids::OrderId;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use uuid::Uuid;

use crate::commands::{charge, confirm, hold, publish};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

/// How many commands the killed worker had in its hands.
const ORDERS: usize = 5;

/// A point of the batch cycle, and whether the database knows of the batch then.
#[derive(Clone, Copy)]
struct Point {
    name: &'static str,
    is_committed: bool,
}

const BEFORE_COMMIT: Point = Point { name: "before_commit", is_committed: false };
const AFTER_COMMIT: Point = Point { name: "after_commit", is_committed: true };
const AFTER_PUBLISH: Point = Point { name: "after_publish", is_committed: true };

#[tokio::test]
async fn a_worker_killed_before_it_commits_holds_loses_none() {
    kill_while_holding(BEFORE_COMMIT).await;
}

#[tokio::test]
async fn a_worker_killed_before_it_publishes_timers_leaks_no_hold() {
    kill_while_holding(AFTER_COMMIT).await;
}

#[tokio::test]
async fn a_worker_killed_before_it_acknowledges_holds_doubles_none() {
    kill_while_holding(AFTER_PUBLISH).await;
}

#[tokio::test]
async fn a_worker_killed_before_it_commits_payments_loses_none() {
    kill_while_confirming(BEFORE_COMMIT).await;
}

#[tokio::test]
async fn a_worker_killed_right_after_it_commits_payments_takes_money_once() {
    kill_while_confirming(AFTER_COMMIT).await;
}

#[tokio::test]
async fn a_worker_killed_before_it_acknowledges_payments_takes_money_once() {
    kill_while_confirming(AFTER_PUBLISH).await;
}

#[tokio::test]
async fn a_worker_killed_before_it_commits_releases_leaks_no_hold() {
    kill_while_releasing(BEFORE_COMMIT).await;
}

#[tokio::test]
async fn a_worker_killed_right_after_it_commits_releases_gives_units_back_once() {
    kill_while_releasing(AFTER_COMMIT).await;
}

#[tokio::test]
async fn a_worker_killed_before_it_acknowledges_releases_gives_units_back_once() {
    kill_while_releasing(AFTER_PUBLISH).await;
}

#[tokio::test]
async fn a_worker_killed_while_it_sends_timers_down_the_ladder_loses_none() {
    let (world, shop) = accepted(5).await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_all(&world, "held").await;
    // The first rung is shorter than the hold, so the first wake-up comes early and has to be sent on.
    kill_worker(&world, "order.expire", AFTER_COMMIT).await;
    kill_worker(&world, "order.expire", AFTER_PUBLISH).await;

    world.start_workers_of(&[Queue::OrderExpire]);
    until_all(&world, "expired").await;
    one_more_expires(&shop).await;
    once_each(&world, "order.expired").await;
    world.finish().await;
}

#[tokio::test]
async fn workers_killed_again_and_again_under_load_lose_and_double_nothing() {
    const MANY: i64 = 600;
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10_000).await;
    for customer in (0..MANY).map(|n| format!("buyer-{}", n % 100)) {
        publish(&world, &hold(&customer, &[("mug", 1)], 2)).await;
    }
    // Each worker is killed as soon as it has got a little further, so that the next one has work left.
    for share in 1..=4 {
        let mut worker = Process::worker(&world, "order.hold,order.expire,relay");
        eventually("the worker gets on", async || {
            (world.count("SELECT count(*) FROM orders").await >= MANY * share / 5).then_some(())
        })
        .await;
        worker.kill();
    }
    // No sweeper: the timers alone must release everything.
    let _worker = Process::worker(&world, "order.hold,order.expire,relay,dead-letters");
    eventually("all orders are held and released", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await == MANY).then_some(())
    })
    .await;
    assert_eq!(shop.available("mug").await, 10_000);
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.held'").await, MANY);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_message_that_takes_every_worker_down_with_it_is_set_aside_alone() {
    let (world, _) = accepted(600).await;
    let mut kills = 0;
    // The broker gives up on a message that was delivered more than twenty times.
    while world.depth("order.hold.dead").await == 0 {
        assert!(kills < 30, "the broker still delivers it");
        kill_worker(&world, "order.hold", BEFORE_COMMIT).await;
        kills += 1;
    }
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::DeadLetters);
    eventually("its neighbours are held", async || {
        let held = "SELECT count(*) FROM orders WHERE status = 'held'";
        (world.count(held).await == ORDERS as i64 - 1).then_some(())
    })
    .await;
    assert_eq!(world.dead_letter("delivery_limit").await, "set aside by the broker");
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 1);
    world.finish().await;
}

async fn kill_while_holding(point: Point) {
    let (world, shop) = accepted(2).await;
    kill_worker(&world, "order.hold", point).await;
    let is_known = world.count("SELECT count(*) FROM orders").await > 0;
    assert_eq!(is_known, point.is_committed);

    // Without a sweeper only the timers can release what is held: if their message was lost with the worker, the
    // redelivered command must send it again.
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderExpire]);
    until_all(&world, "expired").await;
    one_more_expires(&shop).await;
    once_each(&world, "order.held").await;
    once_each(&world, "order.expired").await;
    world.finish().await;
}

async fn kill_while_confirming(point: Point) {
    let (world, shop) = accepted(600).await;
    charge(&world, "alice", 50_000).await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_all(&world, "held").await;
    for order in orders(&world).await {
        publish(&world, &confirm(order)).await;
    }
    kill_worker(&world, "payment.confirm", point).await;
    let is_taken = balance(&shop).await < 50_000;
    assert_eq!(is_taken, point.is_committed);

    world.start_workers_of(&[Queue::PaymentConfirm]);
    until_all(&world, "paid").await;
    let last = shop.place("mug", 1, 600).await;
    assert_eq!(shop.pay(last.text("id")).await.status, 200);
    assert_eq!(balance(&shop).await, 50_000 - 1_000 * (ORDERS as i64 + 1));
    once_each(&world, "order.paid").await;
    world.finish().await;
}

async fn kill_while_releasing(point: Point) {
    let (world, shop) = accepted(1).await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_all(&world, "held").await;
    eventually("all holds are overdue", async || {
        let overdue = "SELECT count(*) FROM orders WHERE expires_at < now()";
        (world.count(overdue).await == ORDERS as i64).then_some(())
    })
    .await;
    kill_worker(&world, "order.expire", point).await;
    let is_released = world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await > 0;
    assert_eq!(is_released, point.is_committed);

    world.start_workers_of(&[Queue::OrderExpire]);
    until_all(&world, "expired").await;
    one_more_expires(&shop).await;
    once_each(&world, "order.expired").await;
    world.finish().await;
}

/// Orders of one customer that wait in their queue, in a world where nothing reads commands.
async fn accepted(hold_seconds: i64) -> (World, Client) {
    let world = World::idle().await;
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 100).await;
    for _ in 0..ORDERS {
        publish(&world, &hold("alice", &[("mug", 1)], hold_seconds)).await;
    }
    (world, shop)
}

/// Starts a worker process and kills it at a point of its first batch, which is of one message or more.
async fn kill_worker(world: &World, queue: &str, point: Point) {
    Process::worker_paused_at(world, queue, point.name).await.kill();
    eventually("the broker takes back what the worker had", async || {
        (world.consumers(queue).await == 0).then_some(())
    })
    .await;
}

/// Sends one more order all the way. What was redelivered lies before it in each queue and is applied by then.
async fn one_more_expires(shop: &Client) {
    let shop = shop.as_customer("bob");
    let last = shop.place("mug", 1, 1).await;
    shop.until(last.text("id"), "expired").await;
}

async fn until_all(world: &World, status: &str) {
    eventually(&format!("all orders are {status}"), async || {
        let count = "SELECT count(*) FROM orders WHERE status::text = $1";
        let count: i64 = sqlx::query_scalar(count).bind(status).fetch_one(&world.pool).await.unwrap();
        (count == ORDERS as i64).then_some(())
    })
    .await;
}

/// Fails unless this was written down once for every order.
async fn once_each(world: &World, kind: &str) {
    let sql = "SELECT count(*) FROM orders
                WHERE 1 <> (SELECT count(*) FROM order_events WHERE order_id = orders.id AND type = $1)";
    let wrong: i64 = sqlx::query_scalar(sql).bind(kind).fetch_one(&world.pool).await.unwrap();
    assert_eq!(wrong, 0, "orders without exactly one {kind}");
}

async fn orders(world: &World) -> Vec<OrderId> {
    let ids = sqlx::query_scalar("SELECT id FROM orders").fetch_all(&world.pool).await.unwrap();
    ids.into_iter().map(|id: Uuid| OrderId::from(id)).collect()
}

async fn balance(shop: &Client) -> i64 {
    shop.get("/v1/wallet").await.body["balance_won"].as_i64().unwrap()
}

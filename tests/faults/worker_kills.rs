//! `kill -9` of a worker at every point of its batch cycle: nothing is lost and nothing is done twice.

use holdfast::domain::ids::OrderId;
use holdfast::message::Queue;

use crate::commands::{charge, confirm, hold, publish};
use crate::processes::Process;
use crate::support::client::Client;
use crate::support::eventually;
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
    let (world, orders) = accepted(5).await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_all(&world, "held").await;
    // The first rung is shorter than the hold, so the first wake-up comes early and has to be sent on.
    until_waiting(&world, "order.expire").await;
    Process::worker_paused_at(&world, "order.expire", AFTER_COMMIT.name).await.kill();
    Process::worker_paused_at(&world, "order.expire", AFTER_PUBLISH.name).await.kill();

    world.start_workers_of(&[Queue::OrderExpire]);
    until_all(&world, "expired").await;
    assert_eq!(events(&world, "order.expired", &orders).await, ORDERS as i64);
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
    let decided = "SELECT count(*) FROM orders";
    // Each worker is killed as soon as it has got a little further, so that the next one has work left.
    for share in 1..=4 {
        let mut worker = Process::worker(&world, "order.hold,order.expire,relay");
        eventually("the worker gets on", async || {
            (world.count(decided).await >= MANY * share / 5).then_some(())
        })
        .await;
        worker.kill();
    }
    // No sweeper: the timers alone must release everything.
    let _worker = Process::worker(&world, "order.hold,order.expire,relay,dead-letters");
    eventually("all orders are held and released", async || {
        let expired = world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await;
        (world.count(decided).await == MANY && expired == MANY).then_some(())
    })
    .await;
    assert_eq!(shop.available("mug").await, 10_000);
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.held'").await, MANY);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

async fn kill_while_holding(point: Point) {
    let (world, orders) = accepted(2).await;
    Process::worker_paused_at(&world, "order.hold", point.name).await.kill();
    let known = world.count("SELECT count(*) FROM orders").await;
    assert_eq!(known, if point.is_committed { ORDERS as i64 } else { 0 });

    // Without a sweeper only the timers can release what is held: if their message was lost with the worker, the
    // redelivered command must send it again.
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderExpire]);
    until_all(&world, "expired").await;
    assert_eq!(events(&world, "order.held", &orders).await, ORDERS as i64);
    assert_eq!(events(&world, "order.expired", &orders).await, ORDERS as i64);
    let asked = "SELECT count(*) FROM orders WHERE expires_at - created_at <> interval '2 s'";
    assert_eq!(world.count(asked).await, 0, "every hold lasts as long as was asked for");
    until_empty(&world, "order.hold").await;
    world.finish().await;
}

async fn kill_while_confirming(point: Point) {
    let (world, orders) = accepted(600).await;
    let shop = world.start_api().await;
    charge(&world, "alice", 50_000).await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_all(&world, "held").await;
    for order in &orders {
        publish(&world, &confirm(*order)).await;
    }
    Process::worker_paused_at(&world, "payment.confirm", point.name).await.kill();
    let left = 50_000 - if point.is_committed { 1_000 * ORDERS as i64 } else { 0 };
    assert_eq!(balance(&shop).await, left);

    world.start_workers_of(&[Queue::PaymentConfirm]);
    until_all(&world, "paid").await;
    until_empty(&world, "payment.confirm").await;
    assert_eq!(balance(&shop).await, 50_000 - 1_000 * ORDERS as i64);
    assert_eq!(events(&world, "order.paid", &orders).await, ORDERS as i64);
    world.finish().await;
}

async fn kill_while_releasing(point: Point) {
    let (world, orders) = accepted(1).await;
    world.start_workers_of(&[Queue::OrderHold]);
    until_all(&world, "held").await;
    eventually("all holds are overdue", async || {
        let overdue = "SELECT count(*) FROM orders WHERE expires_at < now()";
        (world.count(overdue).await == ORDERS as i64).then_some(())
    })
    .await;
    until_waiting(&world, "order.expire").await;
    Process::worker_paused_at(&world, "order.expire", point.name).await.kill();
    let expired = world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await;
    assert_eq!(expired, if point.is_committed { ORDERS as i64 } else { 0 });

    world.start_workers_of(&[Queue::OrderExpire]);
    until_all(&world, "expired").await;
    until_empty(&world, "order.expire").await;
    assert_eq!(events(&world, "order.expired", &orders).await, ORDERS as i64);
    world.finish().await;
}

/// Orders that wait in their queue in a world without workers.
async fn accepted(hold_seconds: i64) -> (World, Vec<OrderId>) {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 100).await;
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let command = hold("alice", &[("mug", 1)], hold_seconds);
        orders.push(command.order_id);
        publish(&world, &command).await;
    }
    (world, orders)
}

async fn until_all(world: &World, status: &str) {
    eventually(&format!("all orders are {status}"), async || {
        let count = "SELECT count(*) FROM orders WHERE status::text = $1";
        let count: i64 = sqlx::query_scalar(count).bind(status).fetch_one(&world.pool).await.unwrap();
        (count == ORDERS as i64).then_some(())
    })
    .await;
}

async fn until_waiting(world: &World, queue: &str) {
    eventually(&format!("{queue} has a message"), async || (world.depth(queue).await > 0).then_some(())).await;
}

/// Waits until everything of a queue is acknowledged, redelivered copies included.
async fn until_empty(world: &World, queue: &str) {
    let url = format!("{}/queues/{}/{queue}", world.servers.rabbitmq_api, world.vhost);
    eventually(&format!("{queue} is empty"), async || {
        let answer: serde_json::Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
        (answer["messages"] == 0).then_some(())
    })
    .await;
}

async fn events(world: &World, kind: &str, orders: &[OrderId]) -> i64 {
    let ids: Vec<_> = orders.iter().map(|order| order.uuid()).collect();
    let sql = "SELECT count(*) FROM order_events WHERE type = $1 AND order_id = ANY($2)";
    sqlx::query_scalar(sql).bind(kind).bind(ids).fetch_one(&world.pool).await.unwrap()
}

async fn balance(shop: &Client) -> i64 {
    shop.get("/v1/wallet").await.body["balance_won"].as_i64().unwrap()
}

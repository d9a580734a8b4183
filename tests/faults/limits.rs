//! A queue at its limit: new orders are turned away at the door, accepted ones are unharmed.

use holdfast::message::Queue;

use crate::commands::{hold, publish};
use crate::support::client::Client;
use crate::support::servers::Servers;
use crate::support::world::World;
use crate::support::{PATIENCE, eventually};

/// Messages a command queue takes in these worlds, give or take a few: a quorum queue counts roughly.
const MAX_LENGTH: u32 = 20;
/// So many requests fill the queue whatever its count.
const ENOUGH: usize = 100;

#[tokio::test]
async fn a_full_queue_is_answered_503_and_every_order_it_took_is_decided() {
    let world = World::on(Servers::shared(), MAX_LENGTH).await;
    let shop = world.start_api().await;
    shop.stock("mug", 1_000).await;
    let turned_away = fill(&shop).await;
    let accepted = (ENOUGH - turned_away.len()) as i64;
    assert!(accepted >= i64::from(MAX_LENGTH) / 2, "only {accepted} orders were accepted");
    assert!(!turned_away.is_empty(), "{accepted} orders went into a queue for {MAX_LENGTH}");

    world.start_all_workers();
    eventually("every accepted order is held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == accepted).then_some(())
    })
    .await;
    // Whoever was turned away tries again with the same key.
    for number in turned_away {
        eventually("the order is accepted", async || (place(&shop, number).await == 202).then_some(())).await;
    }
    eventually("all orders are held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == ENOUGH as i64)
            .then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_flood_on_one_queue_leaves_the_others_open() {
    let world = World::on(Servers::shared(), MAX_LENGTH).await;
    let shop = world.start_api().await;
    shop.stock("mug", 1_000).await;
    publish(&world, &hold("alice", &[("mug", 1)], 600)).await;
    world.start_workers_of(&[Queue::OrderHold]);
    eventually("the order is held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 1).then_some(())
    })
    .await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM orders").fetch_one(&world.pool).await.unwrap();

    // Nobody reads payments, so they fill their queue; calling the order off still gets through.
    let mut paying = Vec::new();
    for _ in 0..ENOUGH {
        let request = shop.request(reqwest::Method::POST, &format!("/v1/orders/{id}/payments"));
        paying.push(shop.send(request.json(&serde_json::json!({"method": "wallet"}))).await.status);
    }
    assert!(paying.contains(&202) && paying.contains(&503), "{paying:?}");
    let request = shop.request(reqwest::Method::POST, &format!("/v1/orders/{id}/cancel"));
    assert_eq!(shop.send(request).await.status, 202);
    world.start_workers_of(&[Queue::OrderCancel]);
    shop.until(&id.to_string(), "cancelled").await;
    world.start_workers_of(&[Queue::PaymentConfirm]);
    eventually("the payments are read", async || (world.depth("payment.confirm").await == 0).then_some(()))
        .await;
    assert_eq!(world.count("SELECT count(*) FROM payments").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn timers_that_find_their_queue_full_wait_and_come_later() {
    let world = World::on(Servers::shared(), 5).await;
    world.start_api().await.stock("mug", 1_000).await;
    world.start_workers_of(&[Queue::OrderHold]);
    // One timer each, because each hold is a batch of its own; and nobody reads them.
    for number in 1..=20_i64 {
        publish(&world, &hold(&format!("buyer-{number}"), &[("mug", 1)], 1)).await;
        eventually("the order is held", async || {
            (world.count("SELECT count(*) FROM orders").await == number).then_some(())
        })
        .await;
    }
    eventually("all are overdue", async || {
        (world.count("SELECT count(*) FROM orders WHERE expires_at > now()").await == 0).then_some(())
    })
    .await;
    world.start_all_workers();
    // Where the broker itself is slow to offer a refused timer again, the sweeper is there.
    eventually("all are released", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await == 20).then_some(())
    })
    .await;
    world.finish().await;
}

/// Places orders for many buyers without a worker; returns the numbers of those that were turned away.
async fn fill(shop: &Client) -> Vec<usize> {
    let mut turned_away = Vec::new();
    for number in 0..ENOUGH {
        if place(shop, number).await == 503 {
            turned_away.push(number);
        }
    }
    turned_away
}

/// Places the order of one buyer, always under the same key.
async fn place(shop: &Client, number: usize) -> u16 {
    let buyer = shop.as_customer(&format!("buyer-{number}"));
    let started = std::time::Instant::now();
    let answer = buyer.place_async("key", "mug", 1, 600).await;
    assert!(started.elapsed() < PATIENCE);
    if answer.status == 503 {
        assert_eq!((answer.problem(), &answer.headers["retry-after"]), ("queue-full", &"2".parse().unwrap()));
    } else {
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    answer.status
}

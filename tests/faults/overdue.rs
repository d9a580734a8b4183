//! A hold past its time keeps nothing from anybody, even where nothing releases holds.

use holdfast::domain::limits::Limits;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::json;

use crate::commands::charge;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::history::{self, Past};
use crate::support::world::World;

#[tokio::test]
async fn the_next_buyer_gets_the_unit_of_an_overdue_hold_at_once() {
    let (world, shop) = without_timers(Limits::default()).await;
    shop.stock("last", 1).await;
    let overdue = hold_past_its_time(&world, &shop, "last", 1).await;
    assert_eq!(shop.status(&overdue).await, "held", "nothing here releases holds");
    assert_eq!(shop.available("last").await, 1, "what is shown counts units of overdue holds in");

    let next = shop.as_customer("bob").place("last", 1, 600).await;
    assert_eq!(next.status, 201, "{next:?}");
    assert_eq!(shop.status(&overdue).await, "expired");
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.expired'").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn many_overdue_holds_of_several_skus_make_way_for_one_order() {
    let (world, shop) = without_timers(Limits { max_live_holds: 100, max_units_per_sku: 100 }).await;
    shop.stock("mug", 20).await;
    shop.stock("tee", 20).await;
    for _ in 0..10 {
        hold_past_its_time(&world, &shop, "mug", 2).await;
        hold_past_its_time(&world, &shop, "tee", 2).await;
    }
    let all = json!({"items": [{"sku": "mug", "quantity": 20}, {"sku": "tee", "quantity": 20}]});
    let next = shop.as_customer("bob").post("/v1/orders", &all).await;
    assert_eq!(next.status, 201, "{next:?}");
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await, 20);
    world.finish().await;
}

#[tokio::test]
async fn behind_a_long_backlog_of_overdue_holds_a_buyer_gets_the_unit_after_few_tries() {
    let (world, shop) = without_timers(Limits::default()).await;
    shop.stock("last", 1).await;
    history::fill(&world, Past::Overdue, 5_000, "late", 5_000).await;
    let overdue = hold_past_its_time(&world, &shop, "last", 1).await;
    // A batch looks at three thousand of them, and the next one at those behind.
    let refused = shop.as_customer("bob").place("last", 1, 600).await;
    assert_eq!(refused.problem(), "out-of-stock", "{refused:?}");
    let next = shop.as_customer("bob").place("last", 1, 600).await;
    assert_eq!(next.status, 201, "{next:?}");
    assert_eq!(shop.status(&overdue).await, "expired");
    // What is in nobody's way is left to the sweeper.
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.expired'").await, 1);
    world.start_workers(Pool::Sweep);
    eventually("all are released", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 1).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn overdue_holds_do_not_count_against_their_customers_limits() {
    let (world, shop) = without_timers(Limits { max_live_holds: 1, max_units_per_sku: 1 }).await;
    shop.stock("mug", 5).await;
    hold_past_its_time(&world, &shop, "mug", 1).await;
    assert_eq!(shop.place("mug", 1, 600).await.status, 201);
    assert_eq!(shop.place("mug", 1, 600).await.problem(), "too-many-holds");
    world.finish().await;
}

#[tokio::test]
async fn an_overdue_hold_that_nothing_has_released_cannot_be_paid() {
    let (world, shop) = without_timers(Limits::default()).await;
    world.start_workers_of(&[Queue::PaymentConfirm]);
    shop.stock("mug", 5).await;
    charge(&world, "alice", 10_000).await;
    let overdue = hold_past_its_time(&world, &shop, "mug", 1).await;
    assert_eq!(shop.pay(&overdue).await.status, 410);
    assert_eq!(shop.get("/v1/wallet").await.body["balance_won"], 10_000);
    assert_eq!(shop.status(&overdue).await, "expired");
    world.finish().await;
}

#[tokio::test]
async fn the_sweeper_alone_releases_overdue_holds() {
    let (world, shop) = without_timers(Limits::default()).await;
    shop.stock("mug", 5).await;
    let orders = [
        hold_past_its_time(&world, &shop, "mug", 1).await,
        hold_past_its_time(&world, &shop, "mug", 2).await,
    ];
    world.start_workers(Pool::Sweep);
    for order in &orders {
        shop.until(order, "expired").await;
    }
    assert_eq!(shop.available("mug").await, 5);
    world.finish().await;
}

/// A world that holds stock but releases nothing: no timers, no sweeper.
async fn without_timers(limits: Limits) -> (World, Client) {
    let mut world = World::idle().await;
    world.limits = limits;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    (world, shop)
}

/// Holds stock and puts the hold into the past.
async fn hold_past_its_time(world: &World, shop: &Client, sku: &str, quantity: i64) -> String {
    let held = shop.place(sku, quantity, 600).await;
    assert_eq!(held.status, 201, "{held:?}");
    world.make_overdue(held.text("id")).await;
    held.text("id").to_owned()
}

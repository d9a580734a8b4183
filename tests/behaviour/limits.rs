//! Limits per customer: a hoarder cannot take the stock, and what is given back counts no more.

use futures_util::future::join_all;
use holdfast::domain::limits::Limits;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::world::World;

const LIMITS: Limits = Limits { max_live_holds: 2, max_units_per_sku: 3 };

async fn limited() -> (World, Client) {
    let mut world = World::idle().await;
    world.limits = LIMITS;
    world.start_all_workers();
    let shop = world.start_api().await;
    shop.stock("mug", 100).await;
    shop.stock("tee", 100).await;
    (world, shop)
}

fn assert_too_many_units(refused: &Answer, limit: u32, requested: u32, already_held: u32) {
    assert_eq!((refused.status, refused.problem()), (409, "too-many-units"), "{refused:?}");
    let numbers = json!([refused.body["limit"], refused.body["requested"], refused.body["already_held"]]);
    assert_eq!(numbers, json!([limit, requested, already_held]));
}

#[tokio::test]
async fn a_customer_has_so_many_live_holds_and_no_more() {
    let (world, shop) = limited().await;
    let first = shop.place("mug", 1, 60).await;
    let second = shop.place("tee", 1, 60).await;
    assert_eq!((first.status, second.status), (201, 201));
    let refused = shop.place("mug", 1, 60).await;
    assert_eq!(
        (refused.status, refused.problem(), &refused.body["limit"]),
        (409, "too-many-holds", &json!(2))
    );
    assert_eq!(shop.order(refused.text("order_id")).await.body["refusal"]["reason"], "too_many_holds");
    assert_eq!(shop.as_customer("bob").place("mug", 1, 60).await.status, 201);

    // Each end of a hold makes room for the next one: cancelled, paid, expired.
    shop.post(&format!("/v1/orders/{}/cancel", first.text("id")), &json!({})).await;
    let short = shop.place("mug", 1, 1).await;
    assert_eq!(short.status, 201);
    shop.until(short.text("id"), "expired").await;
    assert_eq!(shop.place("mug", 1, 60).await.status, 201);
    assert_eq!(shop.place("mug", 1, 60).await.problem(), "too-many-holds");
    shop.charge(1_000).await;
    assert_eq!(shop.pay(second.text("id")).await.status, 200);
    assert_eq!(shop.place("mug", 1, 60).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn a_customer_holds_so_many_units_of_one_sku_and_no_more() {
    let (world, shop) = limited().await;
    assert_too_many_units(&shop.place("mug", 4, 60).await, 3, 4, 0);
    let held = shop.place("mug", 2, 60).await;
    assert_too_many_units(&shop.place("mug", 2, 60).await, 3, 2, 2);
    let twice = json!([{"sku": "tee", "quantity": 2}, {"sku": "tee", "quantity": 2}]);
    assert_too_many_units(&shop.post("/v1/orders", &json!({"items": twice})).await, 3, 4, 0);
    assert_eq!((shop.available("mug").await, shop.available("tee").await), (98, 100));

    // The configured limit is on holds: what is bought counts no more.
    shop.charge(2_000).await;
    assert_eq!(shop.pay(held.text("id")).await.status, 200);
    assert_eq!(shop.place("mug", 3, 60).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn a_skus_own_limit_goes_before_the_configured_one_and_counts_what_was_bought() {
    let (world, shop) = limited().await;
    let sku =
        |max: i64| json!({"name": "Ticket", "price_won": 1_000, "on_hand": 100, "max_per_customer": max});
    shop.put("/v1/skus/ticket", &sku(5)).await;
    assert_too_many_units(&shop.place("ticket", 6, 60).await, 5, 6, 0);
    let held = shop.place("ticket", 4, 60).await;
    assert_eq!(held.status, 201, "its own limit may be above the configured one");
    assert_too_many_units(&shop.place("ticket", 2, 60).await, 5, 2, 4);
    shop.charge(4_000).await;
    assert_eq!(shop.pay(held.text("id")).await.status, 200);
    assert_too_many_units(&shop.place("ticket", 2, 60).await, 5, 2, 4);
    assert_eq!(shop.place("ticket", 1, 60).await.status, 201);
    assert_too_many_units(&shop.place("ticket", 1, 60).await, 5, 1, 5);

    shop.put("/v1/skus/rare", &sku(1)).await;
    assert_too_many_units(&shop.as_customer("bob").place("rare", 2, 60).await, 1, 2, 0);
    assert_eq!(shop.as_customer("bob").place("rare", 1, 60).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn an_overdue_hold_counts_no_more_even_before_it_is_released() {
    let mut world = World::idle().await;
    world.limits = LIMITS;
    // Neither timers nor the sweeper run, so nothing releases what is overdue.
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 100).await;
    shop.stock("tee", 100).await;
    let (first, second) = (shop.place("mug", 3, 60).await, shop.place("tee", 1, 60).await);
    assert_eq!(shop.place("tee", 1, 60).await.problem(), "too-many-holds");
    world.make_overdue(second.text("id")).await;
    assert_too_many_units(&shop.place("mug", 1, 60).await, 3, 1, 3);
    world.make_overdue(first.text("id")).await;
    assert_eq!(shop.place("mug", 3, 60).await.status, 201);
    assert_eq!(shop.status(first.text("id")).await, "held");
    world.finish().await;
}

#[tokio::test]
async fn orders_of_one_customer_in_one_instant_keep_the_limit_together() {
    let (world, shop) = limited().await;
    world.start_workers_of(&[Queue::OrderHold]);
    let answers = join_all((0..20).map(|_| shop.place("mug", 1, 60))).await;
    let held = answers.iter().filter(|answer| answer.status == 201).count();
    let refused =
        answers.iter().filter(|answer| answer.status == 409 && answer.problem() == "too-many-holds").count();
    assert_eq!((held, refused), (2, 18));
    assert_eq!(shop.available("mug").await, 98);
    world.finish().await;
}

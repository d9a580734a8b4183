//! Cancelling: units come back at once, and only a hold can be called off.

use holdfast::broker::delay::Rung;
use holdfast::message::Queue;
use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

async fn cancel(shop: &Client, id: &str) -> Answer {
    shop.post(&format!("/v1/orders/{id}/cancel"), &json!({})).await
}

#[tokio::test]
async fn a_cancelled_order_gives_its_units_back_and_can_be_cancelled_again() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 3).await;
    let held = shop.place("mug", 2, 60).await;
    let id = held.text("id");
    assert_eq!(shop.available("mug").await, 1);

    let cancelled = cancel(&shop, id).await;
    assert_eq!((cancelled.status, cancelled.text("status")), (200, "cancelled"));
    assert_eq!(cancelled.headers["preference-applied"], "wait=30");
    assert_eq!(shop.available("mug").await, 3);

    let again = cancel(&shop, id).await;
    assert_eq!((again.status, &again.body), (200, &cancelled.body));
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.cancelled'").await, 1);
    assert_eq!(shop.available("mug").await, 3);
    world.finish().await;
}

#[tokio::test]
async fn a_cancel_without_waiting_is_accepted_and_needs_no_body() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let path = format!("/v1/orders/{}/cancel", held.text("id"));
    let accepted = shop.send(shop.request(reqwest::Method::POST, &path)).await;
    assert_eq!((accepted.status, accepted.text("status")), (202, "accepted"));
    assert_eq!(accepted.headers["location"], format!("/v1/orders/{}", held.text("id")));
    shop.until(held.text("id"), "cancelled").await;
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_is_no_hold_any_more_cannot_be_cancelled() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 2).await;
    shop.charge(1_000).await;
    let paid = shop.place("mug", 1, 60).await;
    assert_eq!(shop.pay(paid.text("id")).await.status, 200);
    let expired = shop.place("mug", 1, 1).await;
    shop.until(expired.text("id"), "expired").await;
    let refused = shop.place("mug", 5, 60).await;

    let orders =
        [(paid.text("id"), "paid"), (expired.text("id"), "expired"), (refused.text("order_id"), "refused")];
    for (id, status) in orders {
        let answer = cancel(&shop, id).await;
        assert_eq!((answer.status, answer.problem()), (409, "wrong-state"));
        assert_eq!(answer.text("order_status"), status);
        assert_eq!(shop.status(id).await, status);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_cancel_that_overtakes_its_hold_is_applied_in_the_end() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderCancel]);
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let accepted = shop.place_async("key-1", "mug", 1, 60).await;
    let path = format!("/v1/orders/{}/cancel", accepted.text("id"));
    assert_eq!(shop.send(shop.request(reqwest::Method::POST, &path)).await.status, 202);

    // The cancel has found no order and waits on the ladder before the hold is applied.
    eventually("the cancel waits for its order", async || {
        for rung in Rung::all() {
            if world.depth(&rung.name()).await > 0 {
                return Some(());
            }
        }
        None
    })
    .await;
    assert_eq!(shop.status(accepted.text("id")).await, "accepted");
    world.start_workers_of(&[Queue::OrderHold]);
    shop.until(accepted.text("id"), "cancelled").await;
    assert_eq!(shop.available("mug").await, 1);
    world.finish().await;
}

//! Those who wait in line: for what others hold, and for a sale that is to begin.

use holdfast_workers::pools::Pool;
use serde_json::json;

use super::stage::{Stage, order_shown};
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_runs_out_goes_to_the_buyer_who_waits_in_another_window() {
    let stage = Stage::without(&[Pool::Sweep]).await;
    stage.product("print", "Last print", 9_000, 1, json!({})).await;
    let alice = stage.browser_of("alice").await;
    alice.open("/shop/products/print").await;
    alice.click_on("Order this now").await;
    alice.until_shown("Held for you").await;
    let held = order_shown(&alice).await;

    let bob = stage.browser_of("bob").await;
    bob.open("/shop/products/print").await;
    bob.until_shown("Sold out").await;
    bob.click_on("Wait for it").await;
    bob.until_shown("You are next").await;
    let waits = order_shown(&bob).await;

    stage.world.make_overdue(&held).await;
    stage.world.start_workers(Pool::Sweep);
    bob.until_shown("Held for you").await;
    alice.until_shown("The time is up").await;
    assert_eq!(stage.shop.as_customer("bob").status(&waits).await, "held");
    // What Alice had goes back into her cart by one press.
    alice.click_on("Put it into the cart again").await;
    alice.until_shown("None are left now").await;
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_queues_before_a_sale_is_held_when_it_begins() {
    let stage = Stage::open().await;
    let begins = "SELECT to_char(now() + interval '4 seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
    let begins: String = sqlx::query_scalar(begins).fetch_one(&stage.world.pool).await.unwrap();
    stage.product("vase", "Moon vase", 20_000, 1, json!({"sale_from": begins})).await;
    let alice = stage.browser_of("alice").await;
    alice.open("/shop/products/vase").await;
    alice.click_on("Queue up for the sale").await;
    let order = order_shown(&alice).await;
    eventually("the sale began", async || {
        (stage.shop.as_customer("alice").status(&order).await == "held").then_some(())
    })
    .await;
    alice.until_shown("Held for you").await;
    stage.finish().await;
}

//! Workers whose clock is wrong: holds end by PostgreSQL's, and their timers take the hops they would take anyway.

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

#[tokio::test]
async fn a_worker_whose_clock_is_ahead_lets_a_timer_take_no_more_hops_than_others() {
    hold_with_a_clock_ahead_by("20").await;
}

#[tokio::test]
async fn a_worker_whose_clock_is_behind_lets_a_timer_be_no_later_than_others() {
    hold_with_a_clock_ahead_by("-20").await;
}

/// Lets a hold of four seconds run out where the workers' clock is wrong by so much and nobody sweeps.
async fn hold_with_a_clock_ahead_by(seconds: &str) {
    let mut world = World::idle().await;
    world.environment.push(("HOLDFAST_CLOCK_AHEAD_SECONDS".to_owned(), seconds.to_owned()));
    let shop: Client = world.start_api().await;
    shop.stock("mug", 1).await;
    let worker = Process::worker(&world, "order.hold,order.expire");
    let order = shop.place("mug", 1, 4).await;
    shop.until(order.text("id"), "expired").await;
    let late = "SELECT count(*) FROM orders WHERE closed_at > expires_at + interval '10 s'";
    assert_eq!(world.count(late).await, 0);
    // Counted after the acknowledgement, which comes after the commit.
    let hops = eventually("the last hop is counted", async || {
        Some(worker.messages("order.expire", "done").await).filter(|done| *done > 0)
    })
    .await;
    assert!(hops <= 6, "{hops} hops");
    // What is told of it is PostgreSQL's time, too.
    let told = "SELECT count(*) FROM order_events
                 WHERE type = 'order.expired' AND (data->>'released_at')::timestamptz = occurred_at";
    assert_eq!(world.count(told).await, 1);
    world.finish().await;
}

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
    let workers = format!("http://{}", worker.until_logged("listening on http://").await);
    let order = shop.place("mug", 1, 4).await;
    shop.until(order.text("id"), "expired").await;
    let late = "SELECT count(*) FROM orders WHERE closed_at > expires_at + interval '10 s'";
    assert_eq!(world.count(late).await, 0);
    // Counted after the acknowledgement, which comes after the commit.
    let hops = eventually("the last hop is counted", async || {
        let metrics = reqwest::get(format!("{workers}/metrics")).await.unwrap().text().await.unwrap();
        let series = "holdfast_messages_total{queue=\"order.expire\",outcome=\"done\"} ";
        metrics.lines().find_map(|line| line.strip_prefix(series)).and_then(|count| count.parse::<u64>().ok())
    })
    .await;
    assert!(hops <= 6, "{hops} hops");
    world.finish().await;
}

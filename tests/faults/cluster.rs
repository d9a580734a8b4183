//! Three brokers as one cluster behind a balancer, of which one is killed and stays down: `make test-cluster`. They want more
//! of a machine than `make test` may.

mod stage;

use std::time::{Duration, Instant};

use serde_json::json;

use self::stage::{LEADER, OTHER, Stage};
use crate::broker_faults::until_released_in_time;
use crate::buyers::{Answer, Buyers};
use crate::support::client::Client;
use crate::support::{MAX_ANSWER, eventually, eventually_within};

/// Commands are accepted again within this, and then none is turned away any more.
const RECOVERY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "three brokers: make test-cluster"]
async fn a_leader_killed_and_left_down_costs_no_order_and_stops_sales_for_seconds_only() {
    survive(Loss { connected: OTHER, killed: LEADER }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "three brokers: make test-cluster"]
async fn the_node_that_is_published_to_killed_and_left_down_costs_no_order_and_stops_sales_for_seconds_only()
{
    survive(Loss { connected: OTHER, killed: OTHER }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "three brokers: make test-cluster"]
async fn a_leader_that_is_published_to_killed_and_left_down_costs_no_order_and_stops_sales_for_seconds_only()
{
    survive(Loss { connected: LEADER, killed: LEADER }).await;
}

#[derive(Debug, Clone, Copy)]
struct Loss {
    /// The node where both programs publish and consume.
    connected: usize,
    /// The node that is killed.
    killed: usize,
}

async fn survive(loss: Loss) {
    let stage = Stage::start(loss.connected).await;
    let shop = stage.shop.clone();
    let held = shop.place("mug", 1, 600).await;
    let buyers = Buyers::start(&shop, 4);
    buyers.until_accepted(50).await;

    let killed = stage.kill(loss.killed);
    let refused_cancels = until_cancelled(&shop, held.text("id")).await;
    println!("{:?} after the kill: cancelled, after {refused_cancels} refusals", killed.elapsed());
    eventually("orders are accepted without an exception", async || {
        let before = buyers.turned_away().len();
        buyers.until_accepted(200).await;
        (buyers.turned_away().len() == before).then_some(())
    })
    .await;
    println!("{:?} after the kill: 200 orders were accepted in a row", killed.elapsed());
    let turned_away = buyers.turned_away();
    check(&turned_away, killed);
    assert_eq!(shop.get("/readyz").await.body["refused"], json!([]));
    let (counted, refused) =
        (shop.counted("holdfast_broker_refusals_total").await, turned_away.len() + refused_cancels);
    assert!(counted >= refused, "{counted} refusals are counted of {refused}");

    buyers.stop_and_see_all_decided(&stage.world).await;
    let not_held = "SELECT count(*) FROM orders WHERE status NOT IN ('held', 'expired', 'cancelled')";
    assert_eq!(stage.world.count(not_held).await, 0);
    // By timers or, where the broker keeps them to itself for want of a leader, by the sweeper.
    eventually("no mug is held", async || {
        (stage.world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 0).then_some(())
    })
    .await;
    until_released_in_time(&stage.world, i64::MAX).await;
    stage.finish().await;
}

/// Cancels an order in the moment when the queue's leader is lost: a channel whose first message to a queue comes now may be
/// nacked for ever. Returns how often that was refused.
async fn until_cancelled(shop: &Client, order: &str) -> usize {
    let mut refused = 0;
    let cancelled = eventually_within(RECOVERY, "a cancel is accepted", async || {
        let answer = shop.post_as("cancel", &format!("/v1/orders/{order}/cancel"), &json!({})).await;
        refused += usize::from(answer.status == 503);
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert!([200, 202].contains(&cancelled.status), "{cancelled:?}");
    shop.until(order, "cancelled").await;
    refused
}

fn check(turned_away: &[Answer], killed: Instant) {
    let (Some(first), Some(last)) = (turned_away.first(), turned_away.last()) else { return };
    let (first, last) = (first.at - killed, last.at - killed);
    println!("{} orders were turned away, from {first:?} to {last:?} after the kill", turned_away.len());
    assert!(last < RECOVERY, "an order was turned away {last:?} after the kill");
    for answer in turned_away {
        let problem = answer.problem.strip_prefix("urn:holdfast:problem:").unwrap();
        assert!(["broker-unavailable", "queue-full"].contains(&problem), "{problem}");
        assert!(answer.has_retry_after && answer.took < MAX_ANSWER, "a caller waited {:?}", answer.took);
    }
}

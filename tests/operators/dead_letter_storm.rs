//! Ten thousand dead letters, two replays of all of them at once, and a worker killed in the middle.

use std::time::Duration;

use serde_json::json;

use crate::letters::{operator, post};
use crate::support::eventually_within;
use crate::support::processes::Process;
use crate::support::world::World;

/// Orders that could not be held and can be now: ten thousand of them.
const FILL: &str = "
    INSERT INTO dead_letters (id, message_id, queue, message_type, order_id, error_class, error_text, attempts, body,
                              headers)
    SELECT gen_random_uuid(), gen_random_uuid(), 'order.hold', 'order.hold', order_id, 'database', 'no', 1,
           convert_to(json_build_object(
               'version', 1, 'order_id', order_id, 'customer_id', 'c-' || n, 'hold_seconds', 3600,
               'items', json_build_array(json_build_object('sku', 'mug', 'quantity', 1)),
               'fingerprint', gen_random_uuid())::text, 'UTF8'), '{}'
      FROM (SELECT n, gen_random_uuid() AS order_id FROM generate_series(1, 10000) AS n) AS orders";
const REPLAYED: &str = "SELECT count(*) FROM operator_actions WHERE action = 'dead_letter.replay'";
const POOLS: &str = "replays,order.hold=2,dead-letters,relay";

#[tokio::test]
async fn ten_thousand_letters_replayed_twice_at_once_with_kills_have_one_effect_each() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10_000).await;
    world.execute(FILL).await;
    let olga = operator(&world).await;
    for _ in 0..2 {
        let asked = json!({"filter": {"queue": "order.hold"}, "rate_per_second": 10_000});
        let begun = post(&olga, "/v1/ops/replays", &asked).await;
        assert_eq!((begun.status, &begun.body["total"]), (202, &json!(10_000)), "{begun:?}");
    }

    // One dies between the broker's confirm and its commit: what it sent is sent again.
    let mut doubled = Process::worker_paused_at(&world, "replays", "replay_published").await;
    assert_eq!(world.count(REPLAYED).await, 0);
    doubled.kill();
    let mut killed = Process::worker(&world, POOLS);
    let _survivor = Process::worker(&world, POOLS);
    let limit = Duration::from_secs(120);
    let wait_for = async |what: &str, sql: &'static str, count: i64| {
        eventually_within(limit, what, async || (world.count(sql).await >= count).then_some(())).await;
    };
    wait_for("a fifth is replayed", REPLAYED, 2_000).await;
    killed.kill();
    assert!(world.count(REPLAYED).await < 10_000, "it was killed too late");
    wait_for("both replays are done", "SELECT count(*) FROM replays WHERE status = 'done'", 2).await;
    wait_for("all orders are held", "SELECT count(*) FROM orders WHERE status = 'held'", 10_000).await;
    for queue in ["order.hold", "order.hold.dead"] {
        eventually_within(limit, "nothing is left", async || (world.depth(queue).await == 0).then_some(()))
            .await;
    }

    for (count, sql) in [
        (10_000, "SELECT count(*) FROM orders"),
        (10_000, "SELECT count(*) FROM order_events WHERE type = 'order.held'"),
        (10_000, "SELECT count(DISTINCT order_id) FROM order_events WHERE type = 'order.held'"),
        (10_000, REPLAYED),
        (
            10_000,
            "SELECT count(DISTINCT subject_id) FROM operator_actions WHERE action = 'dead_letter.replay'",
        ),
        (10_000, "SELECT count(*) FROM dead_letters WHERE status = 'replayed' AND replay_count = 1"),
        (10_000, "SELECT count(*) FROM dead_letters"),
        (10_000, "SELECT sum(replayed) FROM replays"),
        (10_000, "SELECT sum(skipped) FROM replays"),
        (20_000, "SELECT count(*) FROM replay_items WHERE outcome IS NOT NULL"),
        (0, "SELECT sum(failed) FROM replays"),
        (0, "SELECT count(*) FROM replay_items WHERE died_again_at IS NOT NULL"),
    ] {
        assert_eq!(world.count(sql).await, count, "{sql}");
    }
    world.finish().await;
}

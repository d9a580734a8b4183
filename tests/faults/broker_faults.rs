//! RabbitMQ killed and emptied: no accepted order is lost and no hold is kept.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast::broker::topology::DEFAULT_MAX_LENGTH;
use serde_json::Value;

use crate::buyers::Buyers;
use crate::support::client::Client;
use crate::support::databases::make_vhost;
use crate::support::processes::Process;
use crate::support::servers::OwnServers;
use crate::support::world::World;
use crate::support::{MAX_ANSWER, eventually, eventually_within};

/// An overdue hold is released within this, broker or not.
const MAX_LATENESS: Duration = Duration::from_secs(15);
/// How long the programs may take to find a broker that is back; it takes its time itself.
const RECOVERY: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_killed_and_restarted_under_load_loses_no_accepted_order_and_keeps_no_hold() {
    let (own, world, mut programs) = start("killed").await;
    let shop = programs.shop.clone();
    let due = hold_some(&world, &shop, 4).await;
    let buyers = Buyers::start(&shop, 4);
    buyers.until_accepted(50).await;

    tokio::task::block_in_place(|| own.act("kill", "rabbitmq"));
    buyers.until_turned_away(20).await;
    until_released_in_time(&world, due).await;
    tokio::task::block_in_place(|| own.act("start", "rabbitmq"));
    buyers.until_accepted(50).await;

    let turned_away = buyers.turned_away();
    let counted = shop.counted("holdfast_broker_refusals_total").await;
    assert!(counted >= turned_away.len(), "{counted} refusals are counted of {}", turned_away.len());
    for answer in turned_away {
        assert_eq!(answer.problem, "urn:holdfast:problem:broker-unavailable");
        assert!(answer.has_retry_after);
        assert!(answer.took < MAX_ANSWER, "a caller waited {:?}", answer.took);
    }
    buyers.stop_and_see_all_decided(&world).await;
    until_released_in_time(&world, i64::MAX).await;
    assert!(!programs.api.has_ended() && !programs.worker.has_ended());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_wiped_with_holds_open_keeps_none_and_is_told_its_topology_again() {
    let (own, world, programs) = start("wiped").await;
    let due = hold_some(&world, &programs.shop, 4).await;
    let before = queues(&world).await;

    tokio::task::block_in_place(|| {
        own.act("kill", "rabbitmq");
        own.act("wipe", "rabbitmq");
    });
    until_released_in_time(&world, due).await;
    tokio::task::block_in_place(|| own.act("start", "rabbitmq"));
    // A virtual host is made by whoever runs the broker; all that is in it is ours to declare.
    make_vhost(&world.servers, &world.vhost).await;

    eventually_within(RECOVERY, "every queue is declared again", async || {
        before.is_subset(&queues(&world).await).then_some(())
    })
    .await;
    eventually_within(RECOVERY, "an order is held", async || {
        (programs.shop.place("mug", 1, 600).await.status == 201).then_some(())
    })
    .await;
    // The sweeper waits for five seconds, so what is released before that was released by its timer.
    eventually_within(RECOVERY, "a timer releases a hold", async || {
        let held = programs.shop.as_customer("timely").place("mug", 1, 1).await;
        programs.shop.as_customer("timely").until(held.text("id"), "expired").await;
        let timely = "SELECT count(*) FROM orders WHERE customer_id = 'timely' AND status = 'expired'
                         AND closed_at < expires_at + interval '5 s'";
        (world.count(timely).await > 0).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

/// The two programs and a shop.
struct Programs {
    api: Process,
    worker: Process,
    shop: Client,
}

/// A broker of the test's own with both programs on it, and mugs for everyone.
async fn start(name: &str) -> (OwnServers, World, Programs) {
    let own = tokio::task::block_in_place(|| OwnServers::rabbitmq(name));
    let world = World::on(own.servers(), DEFAULT_MAX_LENGTH).await;
    let (api, shop) = Process::api(&world).await;
    let worker = Process::worker(&world, "");
    shop.stock("mug", 100_000).await;
    (own, world, Programs { api, worker, shop })
}

/// Holds some mugs for a time so short that it is up while the broker is away. Returns how many.
async fn hold_some(world: &World, shop: &Client, seconds: i64) -> i64 {
    for number in 0..30 {
        let buyer = shop.as_customer(&format!("early-{number}"));
        assert_eq!(buyer.place_async("key", "mug", 1, seconds).await.status, 202);
    }
    eventually("the mugs are held", async || {
        (world.count("SELECT count(*) FROM orders WHERE customer_id LIKE 'early-%'").await == 30)
            .then_some(())
    })
    .await;
    30
}

/// Waits until so many holds, or all, have ended; none of them may have ended too late.
pub async fn until_released_in_time(world: &World, count: i64) {
    eventually("overdue holds are released", async || {
        let expired = world.count("SELECT count(*) FROM orders WHERE status = 'expired'").await;
        let overdue = "SELECT count(*) FROM orders WHERE status = 'held' AND expires_at < now()";
        (expired >= count || (count == i64::MAX && world.count(overdue).await == 0)).then_some(())
    })
    .await;
    let lateness = "SELECT coalesce(extract(epoch FROM max(closed_at - expires_at)) * 1000, 0)::bigint
                      FROM orders WHERE status = 'expired'";
    let lateness = Duration::from_millis(world.count(lateness).await as u64);
    println!("released at most {lateness:?} late");
    assert!(lateness < MAX_LATENESS, "a hold was released {lateness:?} late");
}

/// The queues that the broker has for this world, without those that belong to a connection.
async fn queues(world: &World) -> BTreeSet<String> {
    let url = format!("{}/queues/{}", world.servers.rabbitmq_api, world.vhost);
    let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let queues = answer.as_array().into_iter().flatten().filter(|queue| queue["durable"] == true);
    queues.map(|queue| queue["name"].as_str().unwrap().to_owned()).collect()
}

//! SIGTERM under load: both programs leave in time, and take nothing with them.

use std::time::Duration;

use holdfast::message::Queue;

use crate::buyers::Buyers;
use crate::commands::{hold, publish};
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

/// Less than the 30 s that Kubernetes gives a process to leave before it kills it.
const LIMIT: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_leave_in_time_under_load_and_lose_nothing() {
    let world = World::idle().await;
    let (mut api, shop) = Process::api(&world).await;
    let mut worker = Process::worker(&world, "");
    shop.stock("mug", 100_000).await;
    let buyers = Buyers::start(&shop, 8);
    eventually("orders are being held", async || {
        (world.count("SELECT count(*) FROM orders").await > 50).then_some(())
    })
    .await;

    left_in_time(&mut worker).await;
    buyers.until_accepted(20).await;
    left_in_time(&mut api).await;

    let _next = Process::worker(&world, "");
    buyers.stop_and_see_all_decided(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_worker_with_much_before_it_leaves_in_time_and_the_next_one_does_the_rest() {
    const MANY: i64 = 3_000;
    let world = World::idle().await;
    world.start_api().await.stock("mug", MANY).await;
    let commands: Vec<_> = (0..MANY).map(|n| hold(&format!("buyer-{n}"), &[("mug", 1)], 600)).collect();
    for some in commands.chunks(500) {
        futures_util::future::join_all(some.iter().map(|command| publish(&world, command))).await;
    }
    let mut worker = Process::worker(&world, "order.hold=2,order.expire,sweep,relay,dead-letters");
    eventually("the worker is at work", async || {
        (world.count("SELECT count(*) FROM orders").await > 0).then_some(())
    })
    .await;
    left_in_time(&mut worker).await;

    world.start_workers_of(&[Queue::OrderHold]);
    eventually("all orders are held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == MANY).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM order_events").await, MANY);
    assert_eq!(world.depth("order.hold.dead").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn whoever_waits_for_an_outcome_is_told_202_when_the_api_leaves() {
    let world = World::idle().await;
    let (mut api, shop) = Process::api(&world).await;
    shop.stock("mug", 10).await;
    // Nobody decides the order, so the caller would wait for thirty seconds.
    let waiting = {
        let shop = shop.clone();
        tokio::spawn(async move { shop.place("mug", 1, 600).await })
    };
    eventually("the order is in its queue", async || (world.depth("order.hold").await == 1).then_some(()))
        .await;
    left_in_time(&mut api).await;
    assert_eq!(waiting.await.unwrap().status, 202);

    world.start_workers_of(&[Queue::OrderHold]);
    eventually("the order is held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 1).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn both_programs_leave_in_time_even_when_no_server_ever_answers_them() {
    // A port that takes connections and says nothing: a firewall or a frozen machine looks like this.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let mut world = World::idle().await;
    world.amqp_url = format!("amqp://guest:guest@{address}/%2f");
    world.database_url = format!("postgres://postgres@{address}/holdfast");
    let mut api = Process::unready_api(&world);
    let mut worker = Process::worker(&world, "");
    api.until_logged("listening on").await;
    worker.until_logged("listening on").await;
    // By then everything that connects is in the middle of it.
    api.until_logged("cannot open a publishing channel yet").await;
    worker.until_logged("cannot open a publishing channel yet").await;
    left_in_time(&mut api).await;
    left_in_time(&mut worker).await;
    world.finish().await;
}

async fn left_in_time(process: &mut Process) {
    let (status, took) = process.stop().await;
    assert!(status.success() && took < LIMIT, "left with {status} after {took:?}");
}

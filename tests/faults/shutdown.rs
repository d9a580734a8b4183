//! SIGTERM under load: both programs leave in time, and take nothing with them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast::message::Queue;
use reqwest::Method;
use serde_json::json;

use crate::commands::{hold, publish};
use crate::processes::Process;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::world::World;

/// What an orchestrator gives a process to leave before it kills it.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_leave_within_ten_seconds_under_load_and_lose_nothing() {
    let world = World::idle().await;
    let (mut api, shop) = Process::api(&world).await;
    let mut worker = Process::worker(&world, "");
    shop.stock("mug", 100_000).await;
    let buyers = Buyers::start(&shop);
    eventually("orders are being held", async || {
        (world.count("SELECT count(*) FROM orders").await > 50).then_some(())
    })
    .await;

    left_in_time(&mut worker).await;
    buyers.until_accepted(20).await;
    left_in_time(&mut api).await;
    let accepted = buyers.stop().await;

    let _next = Process::worker(&world, "");
    eventually("every accepted order is decided", async || {
        let decided: Vec<uuid::Uuid> =
            sqlx::query_scalar("SELECT id FROM orders").fetch_all(&world.pool).await.unwrap();
        let decided: BTreeSet<String> = decided.iter().map(ToString::to_string).collect();
        accepted.is_subset(&decided).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
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

/// Buyers who keep placing orders until told to stop.
struct Buyers {
    accepted: Arc<Mutex<BTreeSet<String>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Buyers {
    fn start(shop: &Client) -> Self {
        let (accepted, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let tasks =
            (0..8).map(|n| tokio::spawn(buy(shop.clone(), n, Arc::clone(&accepted), stop.clone()))).collect();
        Self { accepted, stop, tasks }
    }

    async fn until_accepted(&self, more: usize) {
        let before = self.accepted.lock().unwrap().len();
        eventually("more orders are accepted", async || {
            (self.accepted.lock().unwrap().len() >= before + more).then_some(())
        })
        .await;
    }

    /// Every order that was answered 202.
    async fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.accepted.lock().unwrap().clone()
    }
}

async fn buy(shop: Client, buyer: usize, accepted: Arc<Mutex<BTreeSet<String>>>, stop: Arc<AtomicBool>) {
    let body = json!({"items": [{"sku": "mug", "quantity": 1}], "hold_seconds": 600});
    for number in 0.. {
        let buyer = shop.as_customer(&format!("buyer-{buyer}-{number}"));
        let request = buyer.request(Method::POST, "/v1/orders").header("Idempotency-Key", "key").json(&body);
        // An API that has left answers nothing; what it has answered is a promise.
        let Ok(response) = request.send().await else {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        assert_eq!(response.status().as_u16(), 202);
        let answer: serde_json::Value = response.json().await.unwrap();
        accepted.lock().unwrap().insert(answer["id"].as_str().unwrap().to_owned());
    }
}

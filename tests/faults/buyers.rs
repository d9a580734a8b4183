//! Load: buyers who keep placing orders while something breaks, and remember what they were promised.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::eventually_within;
use crate::support::world::World;

/// Between two orders of one buyer, so that there is load and no flood.
const PAUSE: Duration = Duration::from_millis(25);
/// Orders are held for one second to as many.
const MAX_HOLD_SECONDS: usize = 6;
/// How long a broker or database that was away may take to be itself again, with all that waited.
const RECOVERY: Duration = Duration::from_secs(60);

/// Buyers who keep placing orders until told to stop. One who is turned away tries again with the same key.
pub struct Buyers {
    diary: Arc<Diary>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the buyers were told.
#[derive(Default)]
struct Diary {
    stop: AtomicBool,
    accepted: Mutex<BTreeSet<Uuid>>,
    turned_away: Mutex<Vec<Answer>>,
}

/// A 503.
#[derive(Clone)]
pub struct Answer {
    pub problem: String,
    pub has_retry_after: bool,
    pub took: Duration,
    pub at: Instant,
}

impl Buyers {
    /// Starts some, with an order for one mug after the other.
    pub fn start(shop: &Client, count: usize) -> Self {
        let diary = Arc::new(Diary::default());
        let tasks = (0..count).map(|buyer| tokio::spawn(buy(shop.clone(), buyer, diary.clone()))).collect();
        Self { diary, tasks }
    }

    /// Waits until so many more orders are accepted.
    pub async fn until_accepted(&self, more: usize) {
        let accepted = || self.diary.accepted.lock().unwrap().len();
        let enough = accepted() + more;
        eventually_within(RECOVERY, "more orders are accepted", async || {
            (accepted() >= enough).then_some(())
        })
        .await;
    }

    /// Waits until so many more requests were turned away.
    pub async fn until_turned_away(&self, more: usize) {
        let turned_away = || self.diary.turned_away.lock().unwrap().len();
        let enough = turned_away() + more;
        eventually_within(RECOVERY, "more orders are turned away", async || {
            (turned_away() >= enough).then_some(())
        })
        .await;
    }

    /// Every 503 so far.
    pub fn turned_away(&self) -> Vec<Answer> {
        self.diary.turned_away.lock().unwrap().clone()
    }

    /// Ends the load and waits until every order that was answered 202 is decided.
    pub async fn stop_and_see_all_decided(self, world: &World) {
        self.diary.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let accepted = self.diary.accepted.lock().unwrap().clone();
        eventually_within(RECOVERY, "every accepted order is decided", async || {
            let decided = sqlx::query_scalar("SELECT id FROM orders").fetch_all(&world.pool).await.ok()?;
            let decided: BTreeSet<Uuid> = decided.into_iter().collect();
            accepted.is_subset(&decided).then_some(())
        })
        .await;
        assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0, "a fault made dead letters");
    }
}

async fn buy(shop: Client, buyer: usize, diary: Arc<Diary>) {
    for number in 0.. {
        let customer = shop.as_customer(&format!("buyer-{buyer}-{number}"));
        let body =
            json!({"items": [{"sku": "mug", "quantity": 1}], "hold_seconds": 1 + number % MAX_HOLD_SECONDS});
        while !diary.stop.load(Ordering::Relaxed) {
            let request = customer.request(Method::POST, "/v1/orders").header("Idempotency-Key", "key");
            let started = Instant::now();
            // An API that has left answers nothing; what it has answered is a promise.
            if let Ok(response) = request.json(&body).send().await
                && note(&diary, started, response).await
            {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        if diary.stop.load(Ordering::Relaxed) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes an answer down. Returns whether the order is accepted.
async fn note(diary: &Diary, started: Instant, response: reqwest::Response) -> bool {
    let took = started.elapsed();
    let (status, has_retry_after) =
        (response.status().as_u16(), response.headers().contains_key("retry-after"));
    let Ok(body) = response.json::<Value>().await else { return false };
    match status {
        202 => {
            diary.accepted.lock().unwrap().insert(body["id"].as_str().unwrap().parse().unwrap());
        }
        503 => {
            let problem = body["type"].as_str().unwrap().to_owned();
            diary.turned_away.lock().unwrap().push(Answer {
                problem,
                has_retry_after,
                took,
                at: Instant::now(),
            });
        }
        _ => panic!("{status} {body}"),
    }
    status == 202
}

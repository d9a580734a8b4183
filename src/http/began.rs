//! Holds that a call of the API begins for those who wait, deep within its transaction: once that is committed their timers are
//! ordered, and whoever waits for those orders hears of it at once.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::time::timeout;
use tracing::warn;

use super::LIMIT;
use crate::broker::publisher::Publisher;
use crate::broker::wake_up::{Timers, WakeUp};
use crate::clock;
use crate::store::waiting::Served;
use crate::store::{self, events};

/// A broker that takes longer is down: the sweeper ends these holds, five seconds late.
const PUBLISH_LIMIT: Duration = Duration::from_secs(10);

tokio::task_local! {
    static BEGAN: RefCell<Timers>;
}

/// Runs a transaction, and returns the timers of the holds that it began.
pub(super) async fn collect<T>(transaction: impl Future<Output = T>) -> (T, Timers) {
    BEGAN
        .scope(RefCell::default(), async {
            let outcome = transaction.await;
            (outcome, BEGAN.with(RefCell::take))
        })
        .await
}

/// Notes holds that began.
pub fn note(served: Served) {
    let wake_ups = WakeUp::group(served.holds, served.now);
    let _ = BEGAN.try_with(|timers| timers.borrow_mut().add(Instant::now(), wake_ups));
}

/// Wakes the relay and orders the timers, in a task of its own: nobody who caused it waits for the broker.
pub(super) fn tell(timers: Timers, pool: PgPool, publisher: Publisher) {
    if timers.is_empty() {
        return;
    }
    tokio::spawn(async move {
        if let Err(error) = store::within(&pool, LIMIT, events::ring).await {
            warn!(%error, "cannot wake the relay, it will look by itself");
        }
        let published = publisher.publish_all(timers.messages(clock::now()));
        if !matches!(timeout(PUBLISH_LIMIT, published).await, Ok(Ok(()))) {
            warn!("cannot order all timers of holds that began, the sweeper will end them");
        }
    });
}

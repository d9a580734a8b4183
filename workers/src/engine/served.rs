//! Holds that begin for orders that waited: whatever frees units begins them, deep within a transaction. Their timers are ordered
//! once that is committed: with those of the batch it was made for, or by the loop that made it.

use std::cell::RefCell;
use std::time::Duration;

use holdfast::broker::publisher::Publisher;
use holdfast::broker::wake_up::{Timers, WakeUp};
use holdfast::clock;
use holdfast::store::waiting::Served;
use tokio::time::timeout;
use tracing::warn;

/// A broker that takes longer is down: the sweeper ends these holds, five seconds late.
const PUBLISH_LIMIT: Duration = Duration::from_secs(10);

tokio::task_local! {
    static SERVED: RefCell<Vec<WakeUp>>;
}

/// Runs a transaction, and returns the timers of the holds that it began for others.
pub(crate) async fn collect<T>(transaction: impl Future<Output = T>) -> (T, Vec<WakeUp>) {
    SERVED
        .scope(RefCell::default(), async {
            let outcome = transaction.await;
            (outcome, SERVED.with(RefCell::take))
        })
        .await
}

/// Notes holds that began, in a transaction from which they are collected.
pub(crate) fn note(served: Served) {
    let _ = SERVED.try_with(|wake_ups| wake_ups.borrow_mut().extend(WakeUp::group(served.holds, served.now)));
}

/// Orders timers outside of a batch, where no redelivery repeats what fails.
pub(crate) async fn order(timers: Timers, publisher: &Publisher) {
    if timers.is_empty() {
        return;
    }
    let published = publisher.publish_all(timers.messages(clock::now()));
    if !matches!(timeout(PUBLISH_LIMIT, published).await, Ok(Ok(()))) {
        warn!("cannot order all timers of holds that began, the sweeper will end them");
    }
}

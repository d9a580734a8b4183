//! Holds that begin for orders that waited: whatever frees units begins them, deep within a batch, and the batch orders their
//! timers with its own.

use std::cell::RefCell;

use holdfast::store::waiting::Served;

use super::worker::WakeUp;

tokio::task_local! {
    static SERVED: RefCell<Vec<WakeUp>>;
}

/// Runs a batch, and returns the timers of the holds that it began for others.
pub(crate) async fn collect<T>(batch: impl Future<Output = T>) -> (T, Vec<WakeUp>) {
    SERVED
        .scope(RefCell::default(), async {
            let outcome = batch.await;
            (outcome, SERVED.with(RefCell::take))
        })
        .await
}

/// Notes holds that began. Outside of a batch nobody orders their timers: the sweeper ends them.
pub(crate) fn note(served: Served) {
    let _ = SERVED.try_with(|wake_ups| wake_ups.borrow_mut().extend(WakeUp::group(served.holds, served.now)));
}

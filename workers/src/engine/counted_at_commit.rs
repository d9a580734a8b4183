//! Counts what a transaction did once it is committed: one that is rolled back and tried again has done nothing yet.

use std::cell::RefCell;

use metrics::{Counter, Histogram};

/// What is to be counted.
enum TallyEntry {
    Counter(Counter, u64),
    Histogram(Histogram, Vec<f64>),
}

tokio::task_local! {
    static TALLY: RefCell<Vec<TallyEntry>>;
}

/// Runs a transaction, and counts what it has noted if it comes out well.
pub(crate) async fn at_commit<T, E>(transaction: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    TALLY
        .scope(RefCell::default(), async {
            let outcome = transaction.await;
            if outcome.is_ok() {
                TALLY.with(|tally| tally.take().into_iter().for_each(TallyEntry::count));
            }
            outcome
        })
        .await
}

pub(crate) fn count(counter: Counter, times: usize) {
    note(TallyEntry::Counter(counter, times as u64));
}

pub(crate) fn record(histogram: Histogram, values: Vec<f64>) {
    note(TallyEntry::Histogram(histogram, values));
}

fn note(entry: TallyEntry) {
    let mut entry = Some(entry);
    let _ = TALLY.try_with(|tally| tally.borrow_mut().extend(entry.take()));
    // Outside of a transaction it has happened already.
    entry.into_iter().for_each(TallyEntry::count);
}

impl TallyEntry {
    fn count(self) {
        match self {
            Self::Counter(counter, times) => counter.increment(times),
            Self::Histogram(histogram, values) => {
                values.into_iter().for_each(|value| histogram.record(value))
            }
        }
    }
}

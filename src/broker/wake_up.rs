//! Timers: calls to come back to orders when their time is up. Whatever begins a hold orders one once that is committed; a call
//! that is lost costs the sweeper's five seconds, and nothing else.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::envelope::Outgoing;
use crate::domain::ids::OrderId;
use crate::message::{ExpireOrders, Version};
use crate::telemetry::trace_parent::TraceParent;

/// The most orders one wake-up call carries.
const MAX_ORDERS_PER_WAKE_UP: usize = 500;

/// A call to come back to orders when their time is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeUp {
    pub due_at: DateTime<Utc>,
    /// What was left until then at the transaction's time, by PostgreSQL's clock: this process's may be wrong.
    pub left: Duration,
    pub order_ids: Vec<OrderId>,
}

impl WakeUp {
    /// A call at an instant, as it is ordered at the transaction's time.
    pub fn new(due_at: DateTime<Utc>, order_ids: Vec<OrderId>, now: DateTime<Utc>) -> WakeUp {
        WakeUp { due_at, left: (due_at - now).to_std().unwrap_or_default(), order_ids }
    }

    /// One call per due instant, each of a bounded size, as they are ordered at the transaction's time.
    pub fn group(mut due: Vec<(DateTime<Utc>, OrderId)>, now: DateTime<Utc>) -> Vec<WakeUp> {
        due.sort_unstable();
        due.chunk_by(|one, other| one.0 == other.0)
            .flat_map(|together| together.chunks(MAX_ORDERS_PER_WAKE_UP))
            .map(|chunk| WakeUp::new(chunk[0].0, chunk.iter().map(|(_, order)| *order).collect(), now))
            .collect()
    }

    /// Lets time pass since the transaction began.
    pub fn pass(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// The timer message: one hop on the delay ladder towards the due instant, so long after the call was ordered.
    pub fn message(self, passed: Duration, now: DateTime<Utc>, trace: TraceParent) -> Outgoing {
        let delay = self.left.saturating_sub(passed);
        let command = ExpireOrders { version: Version, due_at: self.due_at, order_ids: self.order_ids };
        Outgoing::command(&command, now, Some(&trace.to_string())).after(delay)
    }
}

/// Calls of several transactions, with the moment at which each began.
#[derive(Debug, Default)]
pub struct Timers(Vec<(Instant, WakeUp)>);

impl Timers {
    /// Adds what a transaction has ordered that began then.
    pub fn add(&mut self, began: Instant, wake_ups: Vec<WakeUp>) {
        self.0.extend(wake_ups.into_iter().map(|wake_up| (began, wake_up)));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of others.
    pub fn append(&mut self, others: Timers) {
        self.0.extend(others.0);
    }

    /// All of them, with what is left now.
    pub fn left(self) -> Vec<WakeUp> {
        let left = |(began, mut wake_up): (Instant, WakeUp)| {
            wake_up.pass(began.elapsed());
            wake_up
        };
        self.0.into_iter().map(left).collect()
    }

    /// Their messages, of which each begins a trace.
    pub fn messages(self, now: DateTime<Utc>) -> Vec<Outgoing> {
        let message = |wake_up: WakeUp| wake_up.message(Duration::ZERO, now, TraceParent::fresh());
        self.left().into_iter().map(message).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_wake_up_call_per_due_instant() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let order = |n| OrderId::from(Uuid::from_u128(n));
        let mut due: Vec<_> = (0..700).map(|n| (at(5), order(n))).collect();
        due.push((at(3), order(1_000)));
        let calls = WakeUp::group(due, at(1));
        let sizes: Vec<_> = calls.iter().map(|call| (call.left.as_secs(), call.order_ids.len())).collect();
        assert_eq!(sizes, [(2, 1), (4, 500), (4, 200)]);
    }
}

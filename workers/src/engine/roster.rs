//! What this process tells about itself every few seconds: that it is alive, and what its pools last did. On connections
//! of its own, so that it waits for no batch and no batch waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast::clock;
use holdfast::pool::Pool;
use holdfast::store;
use holdfast::store::workers::{self, LastBatch, Myself, PoolReport};
use sqlx::{Connection as _, PgPool};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

/// How often this process reports.
const INTERVAL: Duration = Duration::from_secs(5);
/// A report that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(5);
/// Reports between two times that processes which are gone for long are forgotten: an hour.
const FORGET_EVERY: u64 = 720;

/// The pools of this process and what they did. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    pools: Arc<Mutex<BTreeMap<&'static str, RosterEntry>>>,
}

#[derive(Debug)]
struct RosterEntry {
    runners: i32,
    tally: Tally,
}

impl Roster {
    /// Notes a pool of this process with so many runners. All of them write into the tally.
    pub fn join(&self, pool: Pool, runners: usize) -> Tally {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let entry =
            pools.entry(pool.name()).or_insert_with(|| RosterEntry { runners: 0, tally: Tally::default() });
        entry.runners += i32::try_from(runners).unwrap_or(i32::MAX);
        entry.tally.clone()
    }

    /// Reports until told to stop, then takes its leave.
    pub async fn report(self, pool: PgPool, stop: CancellationToken) {
        let myself = Myself {
            id: Uuid::now_v7(),
            host: host(),
            pid: std::process::id().into(),
            version: env!("CARGO_PKG_VERSION"),
        };
        info!(process = %myself.id, host = myself.host, "reporting as a workers process");
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut round, mut is_failing) = (0_u64, false);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.report_once(&pool, &myself, round.is_multiple_of(FORGET_EVERY)).await {
                Ok(()) => is_failing = false,
                Err(error) if !is_failing => {
                    is_failing = true;
                    warn!(%error, "cannot report what this process does, trying again");
                }
                Err(_) => {}
            }
            round += 1;
        }
        if !is_failing {
            // Without its leave it counts as gone a few seconds later.
            let _ = store::within(&pool, Duration::from_secs(1), async |conn| {
                workers::leave(conn, myself.id).await
            })
            .await;
        }
    }

    async fn report_once(&self, pool: &PgPool, myself: &Myself, forget: bool) -> sqlx::Result<()> {
        let pools = self.reports();
        store::within(pool, LIMIT, async |conn| {
            let mut tx = conn.begin().await?;
            workers::report(&mut tx, myself, &pools).await?;
            if forget {
                workers::forget(&mut tx).await?;
            }
            tx.commit().await
        })
        .await
    }

    fn reports(&self) -> Vec<PoolReport> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let report = |(pool, entry): (&&'static str, &RosterEntry)| PoolReport {
            pool,
            runners: entry.runners,
            last: entry.tally.last(),
            messages_done: entry.tally.inner.messages_done.load(Ordering::Relaxed),
        };
        pools.iter().map(report).collect()
    }
}

/// What the runners of a pool did. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    messages_done: AtomicI64,
    last: Mutex<Option<LastBatch>>,
}

impl Tally {
    /// Notes a batch that was just committed; `queued_at_seconds` is when the oldest of its messages came into the queue.
    pub fn note(&self, messages: usize, took: Duration, queued_at_seconds: Option<u64>) {
        let (at, messages) = (clock::now(), i64::try_from(messages).unwrap_or(i64::MAX));
        self.inner.messages_done.fetch_add(messages, Ordering::Relaxed);
        let began = at.timestamp() - i64::try_from(took.as_secs()).unwrap_or(0);
        let waited =
            |queued_at: u64| began.saturating_sub(i64::try_from(queued_at).unwrap_or(i64::MAX)).max(0);
        let last = LastBatch {
            at,
            messages,
            duration_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            waited_seconds: queued_at_seconds.map(waited),
        };
        *self.inner.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    fn last(&self) -> Option<LastBatch> {
        *self.inner.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the machine or container calls itself.
fn host() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let told = told.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let host: String = told.trim().chars().filter(|c| !c.is_control()).take(64).collect();
    if host.is_empty() { "unknown".to_owned() } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_runners_of_a_pool_write_into_one_tally() {
        let roster = Roster::default();
        let (one, other) = (roster.join(Pool::Sweep, 1), roster.join(Pool::Sweep, 2));
        one.note(3, Duration::from_millis(20), None);
        other.note(4, Duration::from_millis(30), Some(0));
        let [report] = roster.reports().try_into().unwrap();
        let last = report.last.unwrap();
        assert_eq!((report.pool, report.runners, report.messages_done), ("sweep", 3, 7));
        assert_eq!((last.messages, last.duration_ms), (4, 30));
        assert!(last.waited_seconds.unwrap() > 1_000_000_000, "since 1970");
    }

    #[test]
    fn a_message_from_the_future_has_not_waited() {
        let tally = Tally::default();
        tally.note(1, Duration::ZERO, Some(u64::MAX));
        assert_eq!(tally.last().unwrap().waited_seconds, Some(0));
    }
}

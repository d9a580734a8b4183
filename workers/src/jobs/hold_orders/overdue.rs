//! Overdue holds in a buyer's way: found and released in steps of a bounded size, however many wait for their release.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::domain::ids::{OrderId, SkuId};
use holdfast::store::stock;
use sqlx::PgConnection;

/// Overdue holds looked at by one statement, and released at once if they are in the way.
const AT_ONCE: i64 = 1_000;
/// Looks while a batch is decided once.
const LOOKS: u32 = 3;
/// How often holds are released for one batch, which is decided again each time.
const RELEASES: u32 = 3;
/// A hold may come up behind the last look that long after its deadline, because its own transaction was still running.
const LATE_COMMIT: TimeDelta = TimeDelta::seconds(60);

/// How far a worker has looked. It goes on from there at the next batch, so that behind a long backlog all of it is looked at in
/// turn, and what has ended at its left end is not walked again.
#[derive(Debug)]
pub(super) struct OverdueSearch {
    position: Mutex<HoldPosition>,
    /// How often holds were released for the batch that is being decided.
    releases: AtomicU32,
}

#[derive(Debug, Clone, Copy, Default)]
struct HoldPosition {
    /// The deadline from which to look on; from the mark if there is none.
    from: Option<DateTime<Utc>>,
    /// The oldest deadline met since the search last began anew.
    oldest: Option<DateTime<Utc>>,
}

impl OverdueSearch {
    pub(super) const fn new() -> Self {
        Self { position: Mutex::new(HoldPosition { from: None, oldest: None }), releases: AtomicU32::new(0) }
    }

    /// Overdue holds of these SKUs, to be released before the batch is decided again. None if there are none, as far as one batch
    /// may look.
    pub(super) async fn in_the_way(
        &self,
        tx: &mut PgConnection,
        skus: &[SkuId],
        now: DateTime<Utc>,
    ) -> sqlx::Result<Vec<OrderId>> {
        if self.releases.load(Ordering::Relaxed) >= RELEASES {
            return Ok(vec![]);
        }
        for _ in 0..LOOKS {
            let mut position = self.position();
            let Some(found) = stock::overdue_holds(tx, skus, position.from, AT_ONCE).await? else {
                // Too many have ended there that some snapshot still keeps: what is older is the sweeper's.
                self.move_to(HoldPosition { from: Some(now - LATE_COMMIT), oldest: None });
                return Ok(vec![]);
            };
            if !found.in_the_way.is_empty() {
                self.releases.fetch_add(1, Ordering::Relaxed);
                return Ok(found.in_the_way);
            }
            position.oldest = position.oldest.or(found.first);
            let is_end = found.last.is_none();
            self.move_to(position.behind(found.last, now));
            if is_end {
                break;
            }
        }
        Ok(vec![])
    }

    /// The batch is decided: the next one may have as much released.
    pub(super) fn batch_is_decided(&self) {
        self.releases.store(0, Ordering::Relaxed);
    }

    fn position(&self) -> HoldPosition {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_to(&self, position: HoldPosition) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }
}

impl HoldPosition {
    /// Where to go on: behind the last one looked at, or at the oldest again if that was the end.
    fn behind(self, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        match last {
            // More of them than one look takes may have the same deadline; those are left for the next time round.
            Some(last) => {
                let next = self.from.map_or(last, |from| last.max(from + TimeDelta::microseconds(1)));
                Self { from: Some(next), ..self }
            }
            None => {
                let late = now - LATE_COMMIT;
                Self { from: Some(self.oldest.map_or(late, |oldest| oldest.min(late))), oldest: None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_search_goes_on_behind_what_it_has_seen_even_where_many_have_one_deadline() {
        let start = HoldPosition { from: None, oldest: Some(at(10)) };
        let next = start.behind(Some(at(20)), at(1_000));
        assert_eq!(next.from, Some(at(20)));
        let stuck = next.behind(Some(at(20)), at(1_000));
        assert!(stuck.from > next.from);
    }

    #[test]
    fn a_search_begins_anew_at_the_oldest_that_is_left_and_misses_nothing_that_commits_late() {
        let seen = HoldPosition { from: Some(at(500)), oldest: Some(at(10)) };
        assert_eq!(seen.behind(None, at(1_000)).from, Some(at(10)));
        let none = HoldPosition::default();
        assert_eq!(none.behind(None, at(1_000)).from, Some(at(940)));
    }
}

//! The sweeper's part about holds: releases those that are overdue by more than a grace, with or without a broker. In health
//! it finds none: their timers were there first.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::domain::ids::OrderId;
use holdfast::store;
use holdfast::store::orders::overdue_holds::{self, Span};
use sqlx::{Connection as _, PgPool};
use tracing::warn;

use super::portion::Portion;
use crate::engine::counted_at_commit;
use crate::steps::release;

/// A transaction that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(30);
/// Orders released in one transaction.
const AT_ONCE: i64 = 1_000;
/// After this time the others have their turn, however many holds are still overdue: the next sweep goes on.
const TURN: Duration = Duration::from_secs(10);
/// How much of the time before the mark is looked through again at once, and how far back. What lies before that is looked
/// through in one piece.
const REVIEWED_AT_ONCE: TimeDelta = TimeDelta::minutes(1);
const REVIEWED: TimeDelta = TimeDelta::days(1);

/// Sweeps from the mark on, and looks again, piece by piece, at the time before it: should a hold be there after all, such as
/// one that somebody moved by hand, it is found within half an hour.
#[derive(Debug)]
pub(crate) struct HoldSweep {
    /// How many orders at once.
    portion: Portion,
    /// How far back the review has come since the mark where it began.
    review: Option<Review>,
}

impl Default for HoldSweep {
    fn default() -> Self {
        Self { portion: Portion::of(AT_ONCE), review: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Review {
    mark: DateTime<Utc>,
    reached: DateTime<Utc>,
}

impl HoldSweep {
    /// Releases holds overdue by more than `grace_seconds`, as long as it is its turn. Returns how many it looked at.
    pub(crate) async fn sweep(&mut self, pool: &PgPool, grace_seconds: i32) -> sqlx::Result<usize> {
        let swept = release_some(pool, Span::default(), grace_seconds, &mut self.portion).await?;
        let mark = store::within(pool, LIMIT, async |conn| {
            overdue_holds::move_mark(conn).await?;
            overdue_holds::mark(conn).await
        })
        .await?;
        let Some(mark) = mark else { return Ok(swept) };
        // A review that fails is no reason to stop the sweep: the next round looks at the next piece.
        let (span, review) = Review::next(self.review, mark);
        self.review = review;
        match release_some(pool, span, grace_seconds, &mut self.portion).await {
            Ok(found) => Ok(swept + found),
            Err(error) => {
                warn!(%error, ?span, "cannot look again for holds before the mark");
                Ok(swept)
            }
        }
    }
}

impl Review {
    /// The next piece, and how far the review has come with it; nothing when it is at its end and begins anew.
    fn next(review: Option<Self>, mark: DateTime<Utc>) -> (Span, Option<Self>) {
        let Self { mark, reached } = review.unwrap_or(Self { mark, reached: mark });
        if mark - reached >= REVIEWED {
            return (Span { from: Some(DateTime::UNIX_EPOCH), until: Some(reached) }, None);
        }
        let from = reached - REVIEWED_AT_ONCE;
        (Span { from: Some(from), until: Some(reached) }, Some(Self { mark, reached: from }))
    }
}

/// Releases holds overdue by more than `grace_seconds`, from the mark on, but those that somebody else has locked. Returns how
/// many it looked at.
pub async fn sweep(pool: &PgPool, grace_seconds: i32) -> sqlx::Result<usize> {
    release_some(pool, Span::default(), grace_seconds, &mut Portion::of(AT_ONCE)).await
}

/// Releases the overdue holds of a span, portion by portion, until none is left or its turn is over. Returns how many it looked at.
async fn release_some(
    pool: &PgPool,
    mut span: Span,
    grace_seconds: i32,
    portion: &mut Portion,
) -> sqlx::Result<usize> {
    let started = Instant::now();
    let mut total = 0;
    loop {
        let at_once = portion.size();
        let found = store::within(pool, LIMIT, async |conn| {
            counted_at_commit::at_commit(async {
                let mut tx = conn.begin().await?;
                let found = overdue_holds::lock(&mut tx, span, grace_seconds, at_once).await?;
                let orders: Vec<OrderId> = found.iter().map(|hold| hold.id).collect();
                release::expire_and_give_back(&mut tx, &orders).await?;
                tx.commit().await?;
                Ok::<_, sqlx::Error>(found)
            })
            .await
        })
        .await;
        let found = found.inspect_err(|error| portion.failed(error))?;
        portion.went_well();
        total += found.len();
        // Each look begins at the last deadline of the one before: what that one released need not be walked again.
        span.from = found.last().map(|hold| hold.expires_at);
        if found.len() < usize::try_from(at_once).unwrap_or(0) || started.elapsed() > TURN {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_looks_at_all_of_the_time_before_the_mark_once_and_begins_anew() {
        let mark = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (mut review, mut end, mut pieces) = (None, mark, 0);
        loop {
            // The mark moves on meanwhile.
            let (span, next) = Review::next(review, mark + TimeDelta::seconds(pieces));
            assert_eq!(span.until, Some(end), "no gap");
            pieces += 1;
            review = next;
            if span.from == Some(DateTime::UNIX_EPOCH) {
                break;
            }
            end = span.from.unwrap();
        }
        assert_eq!((review, mark - end, pieces), (None, REVIEWED, 24 * 60 + 1));
    }
}

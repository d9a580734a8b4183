//! The sweeper's part about holds: releases those that are overdue by more than a grace, with or without a broker. In health
//! it finds none: their timers were there first.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use holdfast::broker::wake_up::Timers;
use holdfast::domain::ids::OrderId;
use holdfast::store;
use holdfast::store::orders::overdue_holds::{self, Span};
use sqlx::{Connection as _, PgPool};
use tracing::warn;

use super::portion::Portion;
use super::review::Review;
use crate::engine::{counted_at_commit, served};
use crate::steps::release;

/// A transaction that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(30);
/// Orders released in one transaction.
const AT_ONCE: i64 = 1_000;
/// After this time the others have their turn, however many holds are still overdue: the next sweep goes on.
const TURN: Duration = Duration::from_secs(10);
/// How much of the time before the mark is looked through again at once.
const REVIEWED_AT_ONCE: TimeDelta = TimeDelta::minutes(1);

/// Sweeps from the mark on, and looks again, piece by piece, at the time before it: should a hold be there after all, such as
/// one that somebody moved by hand, it is found within half an hour.
#[derive(Debug)]
pub(crate) struct HoldSweep {
    /// How many orders at once.
    portion: Portion,
    review: Review,
}

impl Default for HoldSweep {
    fn default() -> Self {
        Self { portion: Portion::of(AT_ONCE), review: Review::by(REVIEWED_AT_ONCE) }
    }
}

impl HoldSweep {
    /// Releases holds overdue by more than `grace_seconds`, as long as it is its turn. Returns how many it looked at.
    /// `timers` are those of the holds that begin with what comes free.
    pub(crate) async fn sweep(
        &mut self,
        pool: &PgPool,
        grace_seconds: i32,
        timers: &mut Timers,
    ) -> sqlx::Result<usize> {
        let swept = release_some(pool, Span::default(), grace_seconds, &mut self.portion, timers).await?;
        let mark = store::within(pool, LIMIT, async |conn| {
            overdue_holds::move_mark(conn).await?;
            overdue_holds::mark(conn).await
        })
        .await?;
        let Some(mark) = mark else { return Ok(swept) };
        // A review that fails is no reason to stop the sweep: the next round looks at the next piece.
        let (from, until) = self.review.next(mark);
        let span = Span { from: Some(from), until: Some(until) };
        match release_some(pool, span, grace_seconds, &mut self.portion, timers).await {
            Ok(found) => Ok(swept + found),
            Err(error) => {
                warn!(%error, ?span, "cannot look again for holds before the mark");
                Ok(swept)
            }
        }
    }
}

/// Releases holds overdue by more than `grace_seconds`, from the mark on, but those that somebody else has locked. Returns how
/// many it looked at.
pub async fn sweep(pool: &PgPool, grace_seconds: i32) -> sqlx::Result<usize> {
    let mut portion = Portion::of(AT_ONCE);
    release_some(pool, Span::default(), grace_seconds, &mut portion, &mut Timers::default()).await
}

/// Releases the overdue holds of a span, portion by portion, until none is left or its turn is over. Returns how many it looked at.
async fn release_some(
    pool: &PgPool,
    mut span: Span,
    grace_seconds: i32,
    portion: &mut Portion,
    timers: &mut Timers,
) -> sqlx::Result<usize> {
    let started = Instant::now();
    let mut total = 0;
    loop {
        let at_once = portion.size();
        let began = Instant::now();
        let releasing = store::within(pool, LIMIT, async |conn| {
            counted_at_commit::at_commit(async {
                let mut tx = conn.begin().await?;
                let found = overdue_holds::lock(&mut tx, span, grace_seconds, at_once).await?;
                let orders: Vec<OrderId> = found.iter().map(|hold| hold.id).collect();
                release::expire_and_give_back(&mut tx, &orders).await?;
                tx.commit().await?;
                Ok::<_, sqlx::Error>(found)
            })
            .await
        });
        let (found, wake_ups) = served::collect(releasing).await;
        let found = found.inspect_err(|error| portion.failed(error))?;
        timers.add(began, wake_ups);
        portion.went_well();
        total += found.len();
        // Each look begins at the last deadline of the one before: what that one released need not be walked again.
        span.from = found.last().map(|hold| hold.expires_at);
        if found.len() < usize::try_from(at_once).unwrap_or(0) || started.elapsed() > TURN {
            return Ok(total);
        }
    }
}

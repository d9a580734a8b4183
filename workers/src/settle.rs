//! From a batch to verdicts: one transaction when all goes well; waiting when the database is away; halving when the
//! fault is a message's, until the guilty one stands alone.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use holdfast::retry::Backoff;
use holdfast::store;
use metrics::{counter, histogram};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::pause;
use crate::release;
use crate::tally;
use crate::worker::{Applied, ApplyError, Delivered, Verdict, Worker};

/// The longest wait between two looks at a database that is away.
const DATABASE_CEILING: Duration = Duration::from_secs(2);
/// A batch that takes longer is waiting for a server that is gone: a living one ends each statement after 5 s.
const APPLY_LIMIT: Duration = Duration::from_secs(30);

/// The worker was told to stop before the batch could be applied.
#[derive(Debug)]
pub struct Stopped;

/// Why one try came to nothing.
enum Trouble {
    /// The database is away, busy or read-only: nobody's fault.
    Outage(sqlx::Error),
    /// Overdue holds were in the way and are released now, or others were faster.
    TryAgain,
    /// One of the messages is at fault.
    Fault { class: &'static str, reason: String },
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Outage(error)
    }
}

/// Applies a batch to the end. An outage counts no attempt and makes no dead letter: the batch waits it out.
pub async fn settle<W: Worker>(
    worker: &W,
    pool: &PgPool,
    batch: &mut [Delivered<W::Message>],
    stop: &CancellationToken,
) -> Result<Applied, Stopped> {
    prepare(worker, pool, batch, stop).await?;
    let mut whole = Applied::default();
    let mut backoff = Backoff::with_ceiling(DATABASE_CEILING);
    // A stack whose top is the foremost part, so that verdicts come in the order of the messages.
    let mut parts: Vec<Range<usize>> = Vec::from([Range { start: 0, end: batch.len() }]);
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match try_once(worker, pool, &batch[part.clone()]).await {
            Ok(applied) => {
                whole.verdicts.extend(applied.verdicts);
                whole.wake_ups.extend(applied.wake_ups);
                whole.unsettled.extend(applied.unsettled);
                backoff.reset();
            }
            Err(Trouble::TryAgain) => parts.push(part),
            Err(Trouble::Outage(error)) => {
                wait_out(&worker.queue(), &error, &mut backoff, stop).await?;
                parts.push(part);
            }
            Err(Trouble::Fault { class, reason }) if part.len() == 1 => {
                whole.verdicts.push(Verdict::Dead { class, reason });
            }
            Err(Trouble::Fault { class, reason }) => {
                warn!(queue = worker.queue(), messages = part.len(), class, reason, "halving a failed batch");
                let middle = part.start + part.len() / 2;
                parts.push(middle..part.end);
                parts.push(part.start..middle);
            }
        }
    }
    Ok(whole)
}

/// Lets the worker ask what it has to know. If it panics there, it has asked nothing, and says so when it applies.
async fn prepare<W: Worker>(
    worker: &W,
    pool: &PgPool,
    batch: &mut [Delivered<W::Message>],
    stop: &CancellationToken,
) -> Result<(), Stopped> {
    let mut backoff = Backoff::with_ceiling(DATABASE_CEILING);
    loop {
        match AssertUnwindSafe(worker.prepare(pool, batch)).catch_unwind().await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => wait_out(&worker.queue(), &error, &mut backoff, stop).await?,
            Err(_) => {
                error!(queue = worker.queue(), "a worker panicked before its transaction");
                return Ok(());
            }
        }
    }
}

async fn wait_out(
    queue: &str,
    error: &sqlx::Error,
    backoff: &mut Backoff,
    stop: &CancellationToken,
) -> Result<(), Stopped> {
    counter!("holdfast_database_outages_total", "queue" => queue.to_owned()).increment(1);
    warn!(queue, %error, "the database cannot be used, waiting");
    tokio::select! {
        () = backoff.wait() => Ok(()),
        () = stop.cancelled() => Err(Stopped),
    }
}

/// One transaction over some messages.
async fn try_once<W: Worker>(
    worker: &W,
    pool: &PgPool,
    batch: &[Delivered<W::Message>],
) -> Result<Applied, Trouble> {
    let started = Instant::now();
    let applied = store::within(pool, APPLY_LIMIT, async |conn| {
        tally::at_commit(transaction(worker, conn, batch)).await
    })
    .await?;
    histogram!("holdfast_apply_seconds", "queue" => worker.queue()).record(started.elapsed());
    histogram!("holdfast_batch_size", "queue" => worker.queue()).record(batch.len() as f64);
    Ok(applied)
}

async fn transaction<W: Worker>(
    worker: &W,
    conn: &mut PgConnection,
    batch: &[Delivered<W::Message>],
) -> Result<Applied, Trouble> {
    let mut tx = conn.begin().await?;
    let outcome = AssertUnwindSafe(worker.apply(&mut tx, batch)).catch_unwind().await;
    let applied = match outcome {
        Ok(Ok(applied)) if applied.verdicts.len() == batch.len() => applied,
        Ok(Ok(_)) => {
            return Err(Trouble::Fault { class: "defect", reason: "a verdict is missing".to_owned() });
        }
        Ok(Err(ApplyError::Overdue(orders))) => {
            tx.rollback().await?;
            let mut own = conn.begin().await?;
            tally::at_commit(async {
                release::expire_and_give_back(&mut own, &orders).await?;
                own.commit().await
            })
            .await?;
            return Err(Trouble::TryAgain);
        }
        Ok(Err(ApplyError::Overtaken)) => {
            tx.rollback().await?;
            return Err(Trouble::TryAgain);
        }
        Ok(Err(ApplyError::Database(error))) if store::is_about_the_data(&error) => {
            return Err(Trouble::Fault { class: "database", reason: error.to_string() });
        }
        Ok(Err(ApplyError::Database(error))) => return Err(Trouble::Outage(error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no text)");
            error!(queue = worker.queue(), "a worker panicked, its batch is rolled back");
            return Err(Trouble::Fault { class: "panic", reason: text.to_owned() });
        }
    };
    pause::point("before_commit").await;
    tx.commit().await?;
    Ok(applied)
}

//! From a batch to verdicts: one transaction when all goes well; waiting when the database is away; smaller parts when it
//! is there and cannot do this much in time; halving when the fault is a message's, until the guilty one stands alone.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use holdfast::broker::wake_up::Timers;
use holdfast::retry::Backoff;
use holdfast::store::{self, Cause};
use metrics::{counter, histogram};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::parts::BatchParts;
use super::worker::{Applied, ApplyError, Delivered, Obstacle, Worker};
use super::{counted_at_commit, served, stop_points};

/// The longest wait between two looks at a database that is away.
const DATABASE_CEILING: Duration = Duration::from_secs(2);
/// A batch that takes longer is too much, or waits for a server that is gone: a living one ends each statement after 5 s.
const APPLY_LIMIT: Duration = Duration::from_secs(30);
/// So often in a row a part gives way to others and is tried again at once.
const COLLISIONS: usize = 3;

/// The worker was told to stop before the batch could be applied.
#[derive(Debug)]
pub struct Stopped;

/// Why one try came to nothing.
enum Trouble {
    /// The database is away, full or read-only: nobody's fault.
    Outage(sqlx::Error),
    /// Something was in the way and is done with now, or others were faster; with the timers of holds that began for others.
    TryAgain(Timers),
    /// It was in the way of others, who were let go first.
    Collision(sqlx::Error),
    /// The database is there and could not do this much in time.
    TooSlow { reason: String },
    /// The database did not answer in time: too slow or away, which only another connection can tell.
    Silent(sqlx::Error),
    /// One of the messages is at fault.
    Fault { class: &'static str, reason: String },
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        match store::cause(&error) {
            Cause::Data => Self::Fault { class: "database", reason: error.to_string() },
            Cause::TooMuch => Self::TooSlow { reason: error.to_string() },
            Cause::Collision => Self::Collision(error),
            Cause::Outage if store::ran_out_of_time(&error) => Self::Silent(error),
            Cause::Outage => Self::Outage(error),
        }
    }
}

/// Applies a batch to the end, of which those messages that were too slow before are the last. An outage counts no attempt
/// and makes no dead letter: the batch waits it out. What it says of times is as of its return.
pub async fn settle<W: Worker>(
    worker: &W,
    pool: &PgPool,
    batch: &mut [Delivered<W::Message>],
    stop: &CancellationToken,
) -> Result<Applied, Stopped> {
    let suspects = batch.partition_point(|delivered| delivered.incoming.slow_tries == 0);
    let parts = BatchParts::of(batch.len(), suspects);
    let backoff = Backoff::with_ceiling(DATABASE_CEILING);
    let mut settling = Settling {
        queue: worker.queue(),
        pool,
        stop,
        parts,
        backoff,
        collisions: 0,
        timers: Timers::default(),
    };
    settling.prepare(worker, batch).await?;
    settling.apply(worker, batch).await
}

/// A batch on its way to its verdicts.
struct Settling<'a> {
    queue: String,
    pool: &'a PgPool,
    stop: &'a CancellationToken,
    parts: BatchParts,
    backoff: Backoff,
    collisions: usize,
    /// Of holds that began while way was made for the batch.
    timers: Timers,
}

impl Settling<'_> {
    /// Lets the worker ask what it has to know. If it panics there, it has asked nothing, and says so when it applies.
    async fn prepare<W: Worker>(
        &mut self,
        worker: &W,
        batch: &mut [Delivered<W::Message>],
    ) -> Result<(), Stopped> {
        let mut prepared = vec![];
        while let Some(part) = self.parts.next() {
            let asking = worker.prepare(self.pool, &mut batch[part.clone()]);
            match AssertUnwindSafe(asking).catch_unwind().await {
                Ok(Ok(())) => {
                    prepared.push(part);
                    self.went_well();
                }
                Ok(Err(error)) => self.after(part, error.into()).await?,
                Err(_) => {
                    error!(queue = self.queue, "a worker panicked before its transaction");
                    prepared.push(part);
                }
            }
        }
        self.parts.all_again(prepared);
        Ok(())
    }

    async fn apply<W: Worker>(
        mut self,
        worker: &W,
        batch: &[Delivered<W::Message>],
    ) -> Result<Applied, Stopped> {
        let mut done: Vec<(Range<usize>, Instant, Applied)> = vec![];
        while let Some(part) = self.parts.next() {
            match try_once(worker, self.pool, &batch[part.clone()]).await {
                Ok((began, applied)) => {
                    done.push((part, began, applied));
                    self.went_well();
                }
                Err(trouble) => self.after(part, trouble).await?,
            }
        }
        let mut whole = Applied::default();
        for (part, began, mut applied) in done {
            applied.pass(began.elapsed());
            self.parts.done(part, applied.verdicts);
            whole.wake_ups.extend(applied.wake_ups);
            whole.unsettled.extend(applied.unsettled);
        }
        whole.wake_ups.extend(self.timers.left());
        whole.verdicts = self.parts.into_verdicts();
        Ok(whole)
    }

    fn went_well(&mut self) {
        self.backoff.reset();
        self.collisions = 0;
    }

    /// Decides how a part that came to nothing goes on.
    async fn after(&mut self, part: Range<usize>, trouble: Trouble) -> Result<(), Stopped> {
        match trouble {
            Trouble::TryAgain(timers) => {
                self.timers.append(timers);
                self.parts.again(part);
            }
            Trouble::Collision(error) if self.collisions < COLLISIONS => {
                warn!(queue = self.queue, %error, "giving way to others, trying again");
                self.collisions += 1;
                self.parts.again(part);
            }
            Trouble::Collision(error) => self.too_slow(part, error.to_string()),
            Trouble::TooSlow { reason } => self.too_slow(part, reason),
            Trouble::Silent(error) => {
                // A server that answers somebody else is no outage: repeated as it is, this part would never end.
                if store::answers(self.pool).await {
                    self.too_slow(part, "it did not end in time, though the database answers".to_owned());
                } else {
                    self.wait_out(part, &error).await?;
                }
            }
            Trouble::Outage(error) => self.wait_out(part, &error).await?,
            Trouble::Fault { class, reason } => {
                if part.len() > 1 {
                    warn!(queue = self.queue, messages = part.len(), class, reason, "halving a failed batch");
                }
                self.parts.faulty(part, class, reason);
            }
        }
        Ok(())
    }

    fn too_slow(&mut self, part: Range<usize>, reason: String) {
        warn!(queue = self.queue, messages = part.len(), reason, "too slow for the database at once");
        self.collisions = 0;
        self.parts.too_slow(part, reason);
    }

    async fn wait_out(&mut self, part: Range<usize>, error: &sqlx::Error) -> Result<(), Stopped> {
        counter!("holdfast_database_outages_total", "queue" => self.queue.clone()).increment(1);
        warn!(queue = self.queue, %error, "the database cannot be used, waiting");
        self.parts.again(part);
        tokio::select! {
            () = self.backoff.wait() => Ok(()),
            () = self.stop.cancelled() => Err(Stopped),
        }
    }
}

/// One transaction over some messages, and when it began.
async fn try_once<W: Worker>(
    worker: &W,
    pool: &PgPool,
    batch: &[Delivered<W::Message>],
) -> Result<(Instant, Applied), Trouble> {
    let started = Instant::now();
    let applied = store::within(pool, APPLY_LIMIT, async |conn| {
        counted_at_commit::at_commit(transaction(worker, conn, batch)).await
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
) -> Result<(Instant, Applied), Trouble> {
    let mut tx = conn.begin().await?;
    let began = Instant::now();
    let applying = AssertUnwindSafe(worker.apply(&mut tx, batch)).catch_unwind();
    let (outcome, wake_ups) = served::collect(applying).await;
    let mut applied = match outcome {
        Ok(Ok(applied)) if applied.verdicts.len() == batch.len() => applied,
        Ok(Ok(_)) => {
            return Err(Trouble::Fault { class: "defect", reason: "a verdict is missing".to_owned() });
        }
        Ok(Err(ApplyError::InTheWay(obstacle))) => {
            tx.rollback().await?;
            return Err(Trouble::TryAgain(make_way(worker, conn, &obstacle).await?));
        }
        Ok(Err(ApplyError::Overtaken)) => {
            tx.rollback().await?;
            return Err(Trouble::TryAgain(Timers::default()));
        }
        Ok(Err(ApplyError::Database(error))) => return Err(error.into()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no text)");
            error!(queue = worker.queue(), "a worker panicked, its batch is rolled back");
            return Err(Trouble::Fault { class: "panic", reason: text.to_owned() });
        }
    };
    applied.wake_ups.extend(wake_ups);
    stop_points::point("before_commit").await;
    tx.commit().await?;
    Ok((began, applied))
}

/// Does away with what is in a batch's way, in a transaction of its own. Returns the timers of the holds that it began for others: they
/// are ordered with the batch, which is decided again first.
async fn make_way<W: Worker>(
    worker: &W,
    conn: &mut PgConnection,
    obstacle: &Obstacle,
) -> sqlx::Result<Timers> {
    let mut tx = conn.begin().await?;
    let began = Instant::now();
    let making_way = counted_at_commit::at_commit(async {
        worker.make_way(&mut tx, obstacle).await?;
        tx.commit().await
    });
    let (made, wake_ups) = served::collect(making_way).await;
    made?;
    let mut timers = Timers::default();
    timers.add(began, wake_ups);
    Ok(timers)
}

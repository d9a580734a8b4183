//! How the event log is followed: one leader at a time reads part after part, woken by the bell; another takes over
//! when its database session ends.

use std::time::{Duration, Instant};

use holdfast::broker::publisher::PublishError;
use holdfast::retry::Backoff;
use holdfast::store::events::cursors::{self, Cursor};
use holdfast::store::events::{CHANNEL, restored_log};
use metrics::gauge;
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::engine::context::Context;
use crate::engine::roster::Tally;

/// One in waiting asks this often whether its turn has come.
const STANDBY: Duration = Duration::from_secs(1);
/// How long to sleep without a notification: one can be lost with its connection.
const IDLE: Duration = Duration::from_secs(1);
/// How soon to look again while the oldest transaction keeps facts back: at first, and when it takes long.
const HELD_BACK: Duration = Duration::from_millis(5);
const HELD_BACK_LONG: Duration = Duration::from_millis(250);
/// No statement of a follower takes this long, unless the server is gone.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// A leader that may not read looks this often whether the log was repaired.
const REFUSING: Duration = Duration::from_secs(2);
/// A backlog that takes longer is told of, and again this often.
const DRAINING: Duration = Duration::from_secs(10);
const CEILING: Duration = Duration::from_secs(2);

/// Why a leader gives up. It tries to lead again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the database is silent")]
    Silent(#[from] Elapsed),
    #[error("another one has taken over")]
    Deposed,
    #[error("the event log is ahead of the server's transaction ids")]
    Ahead,
}

/// What came of one look at the log.
pub(crate) struct Progress {
    /// Facts that were read.
    pub(crate) facts: usize,
    /// Whether it read as many as it may at once: the next look need not wait for anything.
    pub(crate) is_full: bool,
    /// Whether there are more, be it too early to read them.
    pub(crate) is_behind: bool,
}

/// Somebody who follows the event log.
pub(crate) trait Follower: Send {
    /// How far it has come.
    const CURSOR: Cursor;
    /// What it is, for the log.
    const NAME: &'static str;
    /// Shows which process leads.
    const LEADING: &'static str;
    /// How long it lets facts gather once the bell has rung.
    const REST: Duration;

    /// Reads on in the leader's session.
    fn read_on(
        &mut self,
        session: &mut PgConnection,
    ) -> impl Future<Output = Result<Progress, FollowError>> + Send;
}

/// Follows until told to stop, except while its pool is paused.
pub(crate) async fn run<F: Follower>(mut follower: F, context: Context) {
    let Context { pool, stop, gate, tally, .. } = context;
    let mut backoff = Backoff::with_ceiling(CEILING);
    while stop.run_until_cancelled(gate.opened()).await.is_some() {
        let leading = async {
            tokio::select! {
                ended = lead(&mut follower, &pool, &tally, &mut backoff) => ended,
                () = gate.shut() => {
                    info!("{} is paused", F::NAME);
                    Ok(())
                }
            }
        };
        let ended = stop.run_until_cancelled(leading).await;
        gauge!(F::LEADING).set(0.0);
        if let Some(Err(error)) = ended {
            warn!(%error, "{} stopped, trying again", F::NAME);
            stop.run_until_cancelled(backoff.wait()).await;
        }
    }
}

/// Waits for the lead, then reads until something fails.
async fn lead<F: Follower>(
    follower: &mut F,
    pool: &PgPool,
    tally: &Tally,
    backoff: &mut Backoff,
) -> Result<(), FollowError> {
    // The lock belongs to the session: the connection leaves the pool for good, and closing it gives the lock up.
    let mut session = pool.acquire().await?.detach();
    while !timeout(LIMIT, cursors::try_lead(&mut session, F::CURSOR)).await?? {
        tokio::time::sleep(STANDBY).await;
    }
    until_in_step(&mut session, F::NAME).await?;
    info!("leading {}", F::NAME);
    gauge!(F::LEADING).set(1.0);
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let mut held_back = HELD_BACK;
    let mut drain = Drain::new(F::NAME);
    loop {
        let started = Instant::now();
        let progress = follower.read_on(&mut session).await?;
        if progress.facts > 0 {
            tally.note(progress.facts, started.elapsed(), None);
        }
        backoff.reset();
        drain.note(&progress);
        if progress.is_full {
            continue;
        }
        // Facts newer than the oldest running transaction are kept back, and its end may ring no bell. What is
        // kept back long need not be looked for all the time, so looks grow rarer.
        held_back = if progress.facts > 0 { HELD_BACK } else { HELD_BACK_LONG.min(held_back * 2) };
        let patience = if progress.is_behind { held_back } else { IDLE };
        if let Ok(notification) = timeout(patience, listener.recv()).await {
            notification?;
            tokio::time::sleep(F::REST).await;
            while let Ok(Ok(_)) = timeout(Duration::ZERO, listener.recv()).await {}
        }
    }
}

/// Waits while the log is ahead of the server's transaction ids: whoever read on would skip facts.
async fn until_in_step(session: &mut PgConnection, name: &str) -> Result<(), FollowError> {
    let mut is_told = false;
    while timeout(LIMIT, restored_log::notice(session)).await?? {
        if !is_told {
            error!(
                "{name} refuses to read: the event log is ahead of the server's transaction ids, as after restoring a \
                 dump into another cluster; see `holdfast cursors reset`"
            );
            is_told = true;
        }
        tokio::time::sleep(REFUSING).await;
    }
    Ok(())
}

/// Tells how a large backlog goes down.
struct Drain {
    name: &'static str,
    since: Instant,
    told: Option<Instant>,
    facts: usize,
}

impl Drain {
    fn new(name: &'static str) -> Self {
        Self { name, since: Instant::now(), told: None, facts: 0 }
    }

    fn note(&mut self, progress: &Progress) {
        self.facts += progress.facts;
        let seconds = self.since.elapsed().as_secs();
        if progress.is_full {
            if self.told.unwrap_or(self.since).elapsed() >= DRAINING {
                self.told = Some(Instant::now());
                info!(facts = self.facts, seconds, "{} works off a backlog", self.name);
            }
            return;
        }
        if self.told.is_some() {
            info!(facts = self.facts, seconds, "{} has worked off its backlog", self.name);
        }
        *self = Self::new(self.name);
    }
}

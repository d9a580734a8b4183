//! Who works: processes that are alive, what their pools do, and pools that an operator paused.

pub mod api;

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::reason::Reason;
use crate::ops::rights::Actor;
use crate::pool::Pool;
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};
use crate::store::workers::pauses::Pause;
use crate::store::workers::{self, Process, ProcessPool};

/// More processes than this are not listed; those that are gone are forgotten after a day.
const MAX_PROCESSES: i64 = 200;

/// Processes and pools.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkersView {
    /// Processes that are alive, or were within the last day, the youngest first.
    pub processes: Vec<ProcessView>,
    /// Every kind of pool.
    pub pools: Vec<PoolView>,
}

/// A workers process.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProcessView {
    /// Made when it started.
    pub id: Uuid,
    /// The machine or container.
    pub host: String,
    /// The operating system's number for it.
    pub pid: i64,
    /// Of the program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it last reported.
    pub seen_at: DateTime<Utc>,
    /// Whether that was within the last 20 seconds. A process that was asked to stop is not listed any more.
    pub alive: bool,
    /// What runs in it.
    pub pools: Vec<ProcessPoolView>,
}

/// A pool of one process.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProcessPoolView {
    /// Its name.
    pub pool: String,
    /// How many runners it has there.
    pub runners: i32,
    /// Messages since the process started.
    pub messages_done: i64,
    /// The last batch that was committed there.
    pub last_batch: Option<BatchView>,
}

/// A batch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct BatchView {
    /// When it was committed.
    pub at: DateTime<Utc>,
    /// Messages in it.
    pub messages: i64,
    /// How long it took, calls to others included.
    pub duration_ms: i64,
    /// How long the oldest of its messages had waited in the queue, to the second.
    pub waited_seconds: Option<i64>,
}

/// A kind of pool over all processes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// Its name.
    pub pool: String,
    /// Runners in processes that are alive.
    pub runners: i64,
    /// Since when it is paused, by whom and why.
    pub paused: Option<Pause>,
    /// What stops while it is paused.
    pub while_paused: Cow<'static, str>,
    /// Its last batch, wherever that was.
    pub last_batch: Option<BatchView>,
}

/// Why a pool is neither paused nor resumed.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// There is no such pool.
    #[error("no pool is called {0}; there are {names}", names = names())]
    UnknownPool(String),
    /// The database said no.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn names() -> String {
    Pool::all().map(Pool::name).collect::<Vec<_>>().join(", ")
}

pub async fn list(conn: &mut PgConnection) -> sqlx::Result<WorkersView> {
    let processes = workers::processes(conn, MAX_PROCESSES).await?;
    let ids: Vec<Uuid> = processes.iter().map(|process| process.id).collect();
    let of_processes = workers::pools(conn, &ids).await?;
    let paused = workers::pauses::list(conn).await?;
    let alive: Vec<Uuid> =
        processes.iter().filter(|process| process.is_alive).map(|process| process.id).collect();
    let pools = Pool::all().map(|pool| pool_view(pool, &of_processes, &alive, &paused)).collect();
    let mut by_process: HashMap<Uuid, Vec<ProcessPoolView>> = HashMap::new();
    for pool in of_processes {
        let last_batch = last_batch(&pool);
        let ProcessPool { process, pool, runners, messages_done, .. } = pool;
        by_process.entry(process).or_default().push(ProcessPoolView {
            pool,
            runners,
            messages_done,
            last_batch,
        });
    }
    let view = |process: Process| ProcessView {
        pools: by_process.remove(&process.id).unwrap_or_default(),
        id: process.id,
        host: process.host,
        pid: process.pid,
        version: process.version,
        started_at: process.started_at,
        seen_at: process.seen_at,
        alive: process.is_alive,
    };
    Ok(WorkersView { processes: processes.into_iter().map(view).collect(), pools })
}

fn pool_view(pool: Pool, of_processes: &[ProcessPool], alive: &[Uuid], paused: &[Pause]) -> PoolView {
    let mine = of_processes.iter().filter(|of_process| of_process.pool == pool.name());
    let runners =
        mine.clone().filter(|mine| alive.contains(&mine.process)).map(|mine| i64::from(mine.runners));
    PoolView {
        pool: pool.name().to_owned(),
        runners: runners.sum(),
        paused: paused.iter().find(|pause| pause.pool == pool.name()).cloned(),
        while_paused: pool.while_paused().into(),
        last_batch: mine.filter_map(last_batch).max_by_key(|batch| batch.at),
    }
}

fn last_batch(pool: &ProcessPool) -> Option<BatchView> {
    Some(BatchView {
        at: pool.last_batch_at?,
        messages: pool.batch_messages?,
        duration_ms: pool.batch_ms?,
        waited_seconds: pool.waited_seconds,
    })
}

/// Pauses a pool everywhere, once the transaction is committed: batches in hand are finished, and nothing more is taken until somebody resumes it. One that
/// is paused already stays so, for its first reason. Returns how it is now.
pub async fn pause(
    conn: &mut PgConnection,
    actor: &Actor,
    pool: &str,
    reason: &Reason,
) -> Result<PoolView, PauseError> {
    let (pool, reason) = (known(pool)?, reason.as_str());
    if let Some(pause) = workers::pauses::insert(&mut *conn, pool.name(), &actor.name, reason).await? {
        let action = action(pool, Act::PoolPause, actor, [Value::Null, json!(pause)], Some(reason));
        operators::actions::append(conn, &[action]).await?;
        workers::pauses::notify(conn).await?;
    }
    Ok(read(conn, pool).await?)
}

/// Lets a pool go on; one that is not paused does already. Returns how it is now.
pub async fn resume(
    conn: &mut PgConnection,
    actor: &Actor,
    pool: &str,
    reason: Option<&Reason>,
) -> Result<PoolView, PauseError> {
    let (pool, reason) = (known(pool)?, reason.map(Reason::as_str));
    if let Some(pause) = workers::pauses::delete(conn, pool.name()).await? {
        let action = action(pool, Act::PoolResume, actor, [json!(pause), Value::Null], reason);
        operators::actions::append(conn, &[action]).await?;
        workers::pauses::notify(conn).await?;
    }
    Ok(read(conn, pool).await?)
}

fn known(pool: &str) -> Result<Pool, PauseError> {
    Pool::from_name(pool).ok_or_else(|| PauseError::UnknownPool(pool.to_owned()))
}

fn action<'a>(
    pool: Pool,
    act: Act,
    actor: &'a Actor,
    [before, after]: [Value; 2],
    reason: Option<&'a str>,
) -> NewAction<'a> {
    let known = |value: Value| (!value.is_null()).then_some(value);
    NewAction {
        actor: &actor.name,
        act,
        subject: ("pool", pool.name().to_owned()),
        before: known(before),
        after: known(after),
        reason,
    }
}

async fn read(conn: &mut PgConnection, pool: Pool) -> sqlx::Result<PoolView> {
    let all = list(conn).await?.pools;
    Ok(all.into_iter().find(|view| view.pool == pool.name()).expect("every pool is on the list"))
}

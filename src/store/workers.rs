//! Worker processes that are or lately were alive, and what their pools do.

pub mod backlog;
pub mod pauses;
pub mod queue_looks;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// A process that was not seen for this long counts as gone, in seconds. It shows up every five.
pub const ALIVE_SECONDS: i32 = 20;

/// The process that reports itself.
#[derive(Debug, Clone)]
pub struct Myself {
    /// Its id, made when it started.
    pub id: Uuid,
    /// The machine or container it runs on.
    pub host: String,
    /// The operating system's number for it.
    pub pid: i64,
    pub version: &'static str,
}

/// The last batch of a pool in one process.
#[derive(Debug, Clone, Copy)]
pub struct LastBatch {
    /// When its transaction had been committed.
    pub at: DateTime<Utc>,
    pub messages: i64,
    /// How long it took, calls to others included.
    pub duration_ms: i64,
    /// How long the oldest of its messages had waited in the queue; unknown of strangers' messages.
    pub waited_seconds: Option<i64>,
}

/// What a pool of the process that reports does.
#[derive(Debug, Clone, Copy)]
pub struct PoolReport {
    pub pool: &'static str,
    /// How many runners it has here.
    pub runners: i32,
    /// Its last batch, if there was one.
    pub last: Option<LastBatch>,
    /// Messages since the process started.
    pub messages_done: i64,
}

/// Says that this process is alive, and what its pools do.
pub async fn report(conn: &mut PgConnection, myself: &Myself, pools: &[PoolReport]) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO worker_processes (id, host, pid, version) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET seen_at = now()",
        myself.id,
        myself.host,
        myself.pid,
        myself.version,
    )
    .execute(&mut *conn)
    .await?;
    let names: Vec<&str> = pools.iter().map(|pool| pool.pool).collect();
    let runners: Vec<i32> = pools.iter().map(|pool| pool.runners).collect();
    let ats: Vec<Option<DateTime<Utc>>> = pools.iter().map(|pool| pool.last.map(|last| last.at)).collect();
    let sizes: Vec<Option<i64>> = pools.iter().map(|pool| pool.last.map(|last| last.messages)).collect();
    let times: Vec<Option<i64>> = pools.iter().map(|pool| pool.last.map(|last| last.duration_ms)).collect();
    let waits: Vec<Option<i64>> =
        pools.iter().map(|pool| pool.last.and_then(|last| last.waited_seconds)).collect();
    let done: Vec<i64> = pools.iter().map(|pool| pool.messages_done).collect();
    sqlx::query!(
        "INSERT INTO worker_pools (worker_process_id, pool, runners, last_batch_at, batch_messages, batch_ms,
                                   waited_seconds, messages_done)
         SELECT $1, * FROM unnest($2::text[], $3::integer[], $4::timestamptz[], $5::bigint[], $6::bigint[],
                                  $7::bigint[], $8::bigint[])
         ON CONFLICT (worker_process_id, pool) DO UPDATE
            SET runners = excluded.runners, last_batch_at = excluded.last_batch_at,
                batch_messages = excluded.batch_messages, batch_ms = excluded.batch_ms,
                waited_seconds = excluded.waited_seconds, messages_done = excluded.messages_done",
        myself.id,
        &names as &[&str],
        &runners,
        &ats as &[Option<DateTime<Utc>>],
        &sizes as &[Option<i64>],
        &times as &[Option<i64>],
        &waits as &[Option<i64>],
        &done,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A process that ends in order takes its row with it.
pub async fn leave(conn: &mut PgConnection, process: Uuid) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM worker_processes WHERE id = $1", process).execute(conn).await?;
    Ok(())
}

/// Forgets processes that are gone for a day.
pub async fn forget(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM worker_processes WHERE seen_at < now() - interval '1 day'")
        .execute(conn)
        .await?;
    Ok(())
}

/// A process as others see it.
#[derive(Debug, Clone)]
pub struct Process {
    pub id: Uuid,
    /// The machine or container it runs on.
    pub host: String,
    /// The operating system's number for it.
    pub pid: i64,
    pub version: String,
    pub started_at: DateTime<Utc>,
    /// When it last reported.
    pub seen_at: DateTime<Utc>,
    /// Whether that was within the last [`ALIVE_SECONDS`].
    pub is_alive: bool,
}

/// Processes, the youngest first.
pub async fn processes(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Process>> {
    sqlx::query_as!(
        Process,
        r#"SELECT id, host, pid, version, started_at, seen_at,
                  seen_at > now() - make_interval(secs => $1::int) AS "is_alive!"
             FROM worker_processes ORDER BY started_at DESC, id LIMIT $2"#,
        ALIVE_SECONDS,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// A pool of one process.
#[derive(Debug, Clone)]
pub struct ProcessPool {
    pub process: Uuid,
    pub pool: String,
    /// How many runners it has there.
    pub runners: i32,
    /// When its last batch had been committed.
    pub last_batch_at: Option<DateTime<Utc>>,
    pub batch_messages: Option<i64>,
    /// How long it took.
    pub batch_ms: Option<i64>,
    /// How long the oldest of its messages had waited.
    pub waited_seconds: Option<i64>,
    /// Messages since the process started.
    pub messages_done: i64,
}

/// The pools of these processes, by name.
pub async fn pools(conn: &mut PgConnection, processes: &[Uuid]) -> sqlx::Result<Vec<ProcessPool>> {
    sqlx::query_as!(
        ProcessPool,
        "SELECT worker_process_id AS process, pool, runners, last_batch_at, batch_messages, batch_ms, waited_seconds,
                messages_done
           FROM worker_pools WHERE worker_process_id = ANY($1) ORDER BY pool",
        processes,
    )
    .fetch_all(conn)
    .await
}

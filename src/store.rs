//! All SQL: plain functions that take a connection, one file per family of tables. Never publishes.

use std::time::Duration;

use metrics::{counter, histogram};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::time::{Instant, timeout_at};

use crate::domain::Invalid;

pub mod audit;
pub mod carts;
pub mod catalogue;
pub mod charges;
pub mod corrections;
pub mod cursor_key;
pub mod customer_sessions;
pub mod customers;
pub mod dead_letters;
pub mod effects;
pub mod encryption;
pub mod events;
pub mod ledger;
pub mod named_locks;
pub mod open_marks;
pub mod operators;
pub mod orders;
pub mod payments;
pub mod refunds;
pub mod stock;
pub mod waiting;
pub mod webhooks;
pub mod workers;

/// Waiting for a connection longer than this is an outage for whoever asks.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// A database that does not even answer to nothing within this time is away.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Whoever claims what was forgotten has this long to publish its message; then others may, should it have died meanwhile.
const CLAIM_SECONDS: f64 = 30.0;

pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// A pool that does not connect yet, so that a process can start before its database does. No statement may run or
/// wait for a lock for long, and a transaction that its client forgot is ended by the server.
pub fn pool(url: &str, name: &str, max_connections: u32) -> Result<PgPool, sqlx::Error> {
    let options = encryption::options(url)?.application_name(name).options([
        ("statement_timeout", "5000"),
        ("lock_timeout", "4000"),
        ("idle_in_transaction_session_timeout", "10000"),
        // A client that vanished without a farewell keeps its locks no longer than this, the relay's lead among them.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // Every statement touches a bounded number of rows by key, in tables that grow from nothing within minutes.
        // The planner, left alone, keeps the plan it made for an empty table, or joins whole tables because it has
        // no statistics yet: either made a batch of 250 orders many times slower until the next ANALYZE.
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_seqscan", "off"),
        // Costs of what is switched off look huge, which would have every statement compiled.
        ("jit", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ]);
    // The driver asks whether slow statements would be logged and then logs nothing. Filters of single layers take the next
    // span of that thread for the answer, and the exporter would lose it.
    #[cfg(feature = "otlp")]
    let options = sqlx::ConnectOptions::disable_statement_logging(options);
    Ok(PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // Before anybody writes into a database that was restored: whoever repairs it must know what was written since.
        .after_connect(|conn, _| Box::pin(async move { events::restored_log::notice_on_connect(conn).await }))
        .connect_lazy_with(options))
}

/// Works on a connection for at most `limit`. One that stays silent that long is closed and never returned to the
/// pool: a server that vanished without a farewell would otherwise keep its users waiting for hours.
pub async fn within<T, E: From<sqlx::Error>>(
    pool: &PgPool,
    limit: Duration,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    let asked = Instant::now();
    let deadline = asked + limit;
    let acquired = timeout_at(deadline, pool.acquire()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    histogram!("holdfast_database_acquire_seconds").record(asked.elapsed());
    let mut conn =
        acquired.inspect_err(|_| counter!("holdfast_database_acquire_failures_total").increment(1))?;
    match timeout_at(deadline, work(&mut conn)).await {
        Ok(done) => done,
        Err(_) => {
            conn.close_on_drop();
            Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into())
        }
    }
}

/// What an error of the database says about the work that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The database is away, read-only, full, out of connections or not migrated yet: nobody's fault.
    Outage,
    /// The database is there, and could not do this much in time, or with the memory and locks it has.
    TooMuch,
    /// Others wanted the same rows in another order, and this one had to give way.
    Collision,
    /// It is about the data of the statement.
    Data,
}

/// Why a statement or a transaction failed.
pub fn cause(error: &sqlx::Error) -> Cause {
    match error {
        sqlx::Error::Database(database) => database.code().map_or(Cause::Outage, |code| cause_of_code(&code)),
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::RowNotFound => Cause::Data,
        _ => Cause::Outage,
    }
}

fn cause_of_code(sqlstate: &str) -> Cause {
    match sqlstate {
        // query_canceled by statement_timeout, lock_not_available, out_of_memory (of shared memory for locks, too),
        // configuration_limit_exceeded (temporary files), and the limits of idle and whole transactions.
        "57014" | "55P03" | "53200" | "53400" | "25P03" | "25P04" => Cause::TooMuch,
        // serialization_failure, deadlock_detected.
        "40001" | "40P01" => Cause::Collision,
        // Classes: 21 cardinality violation, 22 data exception, 23 integrity constraint violation, 54 program limit
        // exceeded, such as a value too long for an index.
        _ if ["21", "22", "23", "54"].iter().any(|class| sqlstate.starts_with(class)) => Cause::Data,
        _ => Cause::Outage,
    }
}

/// Whether an error is about the data of the statement. Only that can be a caller's fault.
pub fn is_about_the_data(error: &sqlx::Error) -> bool {
    cause(error) == Cause::Data
}

/// Whether [`within`] gave up waiting for an answer, which a slow transaction and a silent server have in common.
pub fn ran_out_of_time(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

/// Whether the database answers at all.
pub async fn answers(pool: &PgPool) -> bool {
    within(pool, ANSWER_LIMIT, async |conn| conn.ping().await).await.is_ok()
}

/// How many migrations of this program the database lacks. Newer ones of another program are none of its business.
pub async fn missing_migrations(conn: &mut PgConnection) -> sqlx::Result<usize> {
    // The table is sqlx's own and not there before the first migration, so the text is not checked when built.
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(conn).await?;
    Ok(MIGRATIONS.iter().count().saturating_sub(usize::try_from(applied).unwrap_or(0)))
}

/// A value that was parsed when it was written; one that does not parse any more is an error of the database.
fn decoded<T>(parsed: Result<T, Invalid>) -> sqlx::Result<T> {
    parsed.map_err(|error| sqlx::Error::Decode(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_slow_is_no_outage_and_an_outage_is_nobodys_fault() {
        for sqlstate in ["57014", "55P03", "53200"] {
            assert_eq!(cause_of_code(sqlstate), Cause::TooMuch, "{sqlstate}");
        }
        // Shutting down, read-only, disk full, too many connections, a table that is not there yet.
        for sqlstate in ["57P01", "25006", "53100", "53300", "42P01"] {
            assert_eq!(cause_of_code(sqlstate), Cause::Outage, "{sqlstate}");
        }
        assert_eq!(cause_of_code("40P01"), Cause::Collision);
        assert_eq!(cause_of_code("23514"), Cause::Data);
        assert_eq!(cause(&sqlx::Error::PoolTimedOut), Cause::Outage);
    }
}

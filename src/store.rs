//! All SQL: plain functions that take a connection, one file per family of tables. Never publishes.

use std::time::Duration;

use metrics::{counter, histogram};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use tokio::time::{Instant, timeout_at};

use crate::domain::Invalid;

pub mod answers;
pub mod audit;
pub mod audit_results;
pub mod backlog;
pub mod booked_charges;
pub mod card_charges;
pub mod card_payments;
pub mod charges;
pub mod cursors;
pub mod customers;
pub mod dead_letter_edits;
pub mod dead_letter_filter;
pub mod dead_letter_lists;
pub mod dead_letters;
pub mod effects;
pub mod events;
pub mod feed;
pub mod figures;
pub mod health;
pub mod ledger;
pub mod money_desk;
pub mod new_orders;
pub mod notices;
pub mod operator_actions;
pub mod order_history;
pub mod order_search;
pub mod orders;
pub mod paused_pools;
pub mod payments;
pub mod queue_looks;
pub mod refundable;
pub mod refunds;
pub mod relay;
pub mod replays;
pub mod sales;
pub mod sessions;
pub mod skus;
pub mod stock;
pub mod stock_desk;
pub mod tokens;
pub mod usage;
pub mod webhooks;
pub mod workers;

/// Waiting for a connection longer than this is an outage for whoever asks.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// The schema, embedded.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// A pool that does not connect yet, so that a process can start before its database does. No statement may run or
/// wait for a lock for long, and a transaction that its client forgot is ended by the server.
pub fn pool(url: &str, name: &str, max_connections: u32) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.application_name(name).options([
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

/// Whether an error is about the data of the statement, rather than about the database being away, read-only, out
/// of connections, deadlocked or not migrated yet. Only the former can be a message's fault.
pub fn is_about_the_data(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            // SQLSTATE classes: 21 cardinality violation, 22 data exception, 23 integrity constraint violation, 54 program
            // limit exceeded, such as a value too long for an index.
            database
                .code()
                .is_some_and(|code| ["21", "22", "23", "54"].iter().any(|class| code.starts_with(class)))
        }
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::RowNotFound => true,
        _ => false,
    }
}

/// How many migrations have been applied.
pub async fn applied_migrations(conn: &mut PgConnection) -> sqlx::Result<usize> {
    // The table is sqlx's own and not there before the first migration, so the text is not checked when built.
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(conn).await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// A value that was parsed when it was written; one that does not parse any more is an error of the database.
fn decoded<T>(parsed: Result<T, Invalid>) -> sqlx::Result<T> {
    parsed.map_err(|error| sqlx::Error::Decode(error.into()))
}

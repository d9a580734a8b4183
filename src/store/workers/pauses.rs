//! Pools that an operator has paused.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// The channel on which PostgreSQL tells the workers that something was paused or resumed.
pub const CHANNEL: &str = "paused_pools";

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Pause {
    /// The pool.
    pub pool: String,
    /// Who paused it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Every pause, by pool.
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Pause>> {
    // There are no more of them than kinds of pools.
    sqlx::query_as!(Pause, "SELECT pool, actor, reason, since FROM paused_pools ORDER BY pool LIMIT 100")
        .fetch_all(conn)
        .await
}

/// Pauses a pool. Returns nothing if it is paused already: the first pause stands.
pub async fn insert(
    conn: &mut PgConnection,
    pool: &str,
    actor: &str,
    reason: &str,
) -> sqlx::Result<Option<Pause>> {
    sqlx::query_as!(
        Pause,
        "INSERT INTO paused_pools (pool, actor, reason) VALUES ($1, $2, $3) ON CONFLICT (pool) DO NOTHING
         RETURNING pool, actor, reason, since",
        pool,
        actor,
        reason,
    )
    .fetch_optional(conn)
    .await
}

/// Ends a pause, and returns it if there was one.
pub async fn delete(conn: &mut PgConnection, pool: &str) -> sqlx::Result<Option<Pause>> {
    sqlx::query_as!(
        Pause,
        "DELETE FROM paused_pools WHERE pool = $1 RETURNING pool, actor, reason, since",
        pool
    )
    .fetch_optional(conn)
    .await
}

/// Tells the workers, once this transaction is committed. Pauses are rare, so its lock on all commits does not matter.
pub async fn notify(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT pg_notify($1, '')::text AS notified", CHANNEL).fetch_one(conn).await?;
    Ok(())
}

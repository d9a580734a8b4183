//! How far the event log has been published.
//!
//! Ids are handed out before a transaction commits, so a bare id cursor would skip what commits late. The relay
//! publishes in rounds of whole transactions instead: all that began before the oldest one still running, and not
//! in an earlier round. Within a round facts go in the order of their ids, which is the order of transitions for
//! every order, because an order's row is locked before its fact is written. Two facts of one order are never in
//! the wrong rounds: where the later one is visible, the transaction of the earlier one has ended too.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::PgConnection;

use super::events::{EventRow, StoredEvent};

/// The advisory lock of the one relay.
const LEADER_LOCK: i64 = 0x686f_6c64_7265_6c61;

/// A range of transactions and how far it has been published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// From this transaction on, as PostgreSQL writes an `xid8`.
    pub from: String,
    /// Up to before this one.
    pub to: String,
    /// The last fact published of it.
    pub last_id: i64,
}

/// Whether this session is now the one relay. It stays so until its connection ends.
pub async fn try_lead(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "leading!""#, LEADER_LOCK).fetch_one(conn).await
}

/// The round to publish: the unfinished one, or a new one up to the oldest running transaction.
pub async fn open_round(conn: &mut PgConnection) -> sqlx::Result<Round> {
    // A cursor lost in a crash of the server only repeats facts, so this commit need not wait for the disk.
    sqlx::query_as!(
        Round,
        r#"WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
           UPDATE relay_cursors
              SET to_transaction = CASE WHEN from_transaction = to_transaction
                                        THEN pg_snapshot_xmin(pg_current_snapshot()) ELSE to_transaction END,
                  updated_at = now()
             FROM relaxed
            WHERE name = 'events'
           RETURNING from_transaction::text AS "from!", to_transaction::text AS "to!", last_id"#,
    )
    .fetch_one(conn)
    .await
}

/// The facts of a round that are not published yet, in order.
pub fn facts<'a>(conn: &'a mut PgConnection, round: &'a Round) -> BoxStream<'a, sqlx::Result<StoredEvent>> {
    sqlx::query_as!(
        EventRow,
        r#"SELECT id, order_id, command_id, type AS kind, data::text AS "data!", occurred_at
             FROM order_events
            WHERE transaction_id >= $1::text::xid8 AND transaction_id < $2::text::xid8 AND id > $3
            ORDER BY id"#,
        round.from,
        round.to,
        round.last_id,
    )
    .fetch(conn)
    .and_then(async |row| row.try_into())
    .boxed()
}

/// Notes that facts up to `last_id` of this round are published. Returns whether the round is still this relay's.
pub async fn advance(conn: &mut PgConnection, round: &Round, last_id: i64) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
         UPDATE relay_cursors SET last_id = $3, updated_at = now() FROM relaxed
          WHERE name = 'events' AND from_transaction = $1::text::xid8 AND to_transaction = $2::text::xid8
            AND last_id < $3",
        round.from,
        round.to,
        last_id,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that all of this round is published.
pub async fn finish(conn: &mut PgConnection, round: &Round) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
         UPDATE relay_cursors SET from_transaction = to_transaction, last_id = 0, updated_at = now() FROM relaxed
          WHERE name = 'events' AND from_transaction = $1::text::xid8 AND to_transaction = $2::text::xid8",
        round.from,
        round.to,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether there are facts newer than this round.
pub async fn is_behind(conn: &mut PgConnection, round: &Round) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM order_events WHERE transaction_id >= $1::text::xid8) AS "behind!""#,
        round.to,
    )
    .fetch_one(conn)
    .await
}

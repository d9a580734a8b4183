//! A log that came with a dump into another cluster, where transaction ids begin anew: facts and cursors are ahead of the
//! server's ids, so that what is written from now on would be taken for read long ago. Readers refuse to read then, until
//! somebody repairs it: new facts get numbers above all old ones, now and for ever, and no old one is touched.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::cursors::LogPosition;

/// Room between the old numbers and the new ones, for ids that the server hands out while it is repaired.
const ROOM: i64 = 1_000_000_000_000;

/// The advisory lock of whoever repairs it.
const REPAIR_LOCK: i64 = 0x686f_6c64_7265_7061;

/// [`notice`] for a new connection, which is as good without: to a database that is not migrated yet, or a standby.
pub(in crate::store) async fn notice_on_connect(conn: &mut PgConnection) -> sqlx::Result<()> {
    match notice(conn).await {
        Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the log is ahead of the server. Whoever finds that first writes down where the log ended, before anybody who
/// connects later has written to it.
pub async fn notice(conn: &mut PgConnection) -> sqlx::Result<bool> {
    // A healthy cursor may stand right before the next transaction, and no fact is of one that has not begun.
    let found = sqlx::query!(
        r#"SELECT ahead_since IS NOT NULL AS "is_noted!",
                  coalesce((SELECT e.transaction_id::text::bigint FROM order_events e
                             ORDER BY e.transaction_id DESC, e.id DESC LIMIT 1) >= not_yet, false)
                  OR EXISTS (SELECT FROM relay_cursors
                              WHERE (from_transaction::text::bigint, last_id) > (not_yet, 0)) AS "is_ahead!"
             FROM (SELECT ahead_since,
                          pg_snapshot_xmax(pg_current_snapshot())::text::bigint + id_offset AS not_yet
                     FROM event_log) AS log"#,
    )
    .fetch_one(&mut *conn)
    .await?;
    if found.is_ahead && !found.is_noted {
        sqlx::query!(
            "UPDATE event_log
                SET ahead_since = now(),
                    restored_to = (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM order_events_id_seq),
                    new_from = pg_snapshot_xmin(pg_current_snapshot())::text::bigint + id_offset
              WHERE ahead_since IS NULL",
        )
        .execute(conn)
        .await?;
    }
    Ok(found.is_ahead || found.is_noted)
}

/// How the log stands to the server.
#[derive(Debug, Clone, Copy)]
pub struct LogStanding {
    /// The next transaction, as the log numbers them now.
    pub next_transaction: i64,
    /// What is added to the server's ids.
    pub id_offset: i64,
    /// When it was noticed that the log is ahead; nothing if it is not.
    pub ahead_since: Option<DateTime<Utc>>,
    /// The last fact that was restored, as far as was noticed.
    pub restored_to: Option<i64>,
}

/// How the log stands to the server.
pub async fn standing(conn: &mut PgConnection) -> sqlx::Result<LogStanding> {
    sqlx::query_as!(
        LogStanding,
        r#"SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + id_offset AS "next_transaction!", id_offset,
                  ahead_since, restored_to
             FROM event_log"#,
    )
    .fetch_one(conn)
    .await
}

/// Whether it was noticed that the log is ahead.
pub async fn is_ahead(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT ahead_since IS NOT NULL AS "is_ahead!" FROM event_log"#)
        .fetch_one(conn)
        .await
}

/// Facts that were looked at for new ones.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub to: LogPosition,
    /// How many were looked at.
    pub looked_at: i64,
    /// How many of them were written since the restore.
    pub new: i64,
}

/// Where the search for facts written since the restore begins. Who knows better when that was begins at the start.
pub async fn beginning(
    conn: &mut PgConnection,
    restored_at: Option<DateTime<Utc>>,
) -> sqlx::Result<LogPosition> {
    let new_from = sqlx::query_scalar!("SELECT new_from FROM event_log").fetch_one(conn).await?;
    Ok(LogPosition { transaction: new_from.filter(|_| restored_at.is_none()).unwrap_or(0), id: 0 })
}

/// Counts facts written since the restore among the next `limit`.
pub async fn count_new(
    conn: &mut PgConnection,
    after: LogPosition,
    restored_at: Option<DateTime<Utc>>,
    limit: i64,
) -> sqlx::Result<Step> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "looked_at!", count(*) FILTER (WHERE id > restored_to OR occurred_at >= $3) AS "new!",
                  max(transaction_id::text::bigint) AS transaction,
                  (array_agg(id ORDER BY transaction_id DESC, id DESC))[1] AS id
             FROM (SELECT e.transaction_id, e.id, e.occurred_at, l.restored_to
                     FROM event_log l CROSS JOIN order_events e
                    WHERE (e.transaction_id, e.id) > ($1::bigint::text::xid8, $2)
                      AND e.transaction_id
                          < (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + l.id_offset)::text::xid8
                    ORDER BY e.transaction_id, e.id LIMIT $4) AS next"#,
        after.transaction,
        after.id,
        restored_at,
        limit,
    )
    .fetch_one(conn)
    .await?;
    let to = row.transaction.zip(row.id).map_or(after, |(transaction, id)| LogPosition { transaction, id });
    Ok(Step { to, looked_at: row.looked_at, new: row.new })
}

/// Whether this session is now the one that repairs; it stays so until it ends.
pub async fn try_repair(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "alone!""#, REPAIR_LOCK).fetch_one(conn).await
}

/// Chooses where new facts will go: above everything there is. A repair that was broken off keeps its choice.
pub async fn choose_offset(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE event_log
            SET next_offset = $1 + greatest(
                    pg_snapshot_xmax(pg_current_snapshot())::text::bigint + id_offset,
                    (SELECT max(greatest(from_transaction, to_transaction)::text::bigint) FROM relay_cursors),
                    (SELECT e.transaction_id::text::bigint FROM order_events e
                      ORDER BY e.transaction_id DESC, e.id DESC LIMIT 1))
          WHERE ahead_since IS NOT NULL AND next_offset IS NULL",
        ROOM,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether others write facts meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    Busy,
    /// [`stop_writers`] has waited for the last one.
    Stopped,
}

/// Lets nobody write facts until this transaction ends.
pub async fn stop_writers(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("LOCK TABLE order_events IN SHARE ROW EXCLUSIVE MODE").execute(conn).await?;
    Ok(())
}

/// Gives facts written since the restore among the next `limit` the numbers they would have with the offset that was chosen.
/// Their order stays. While others write, only those are looked at that nobody can write in front of any more. In a transaction
/// of its own.
pub async fn renumber_new(
    conn: &mut PgConnection,
    after: LogPosition,
    restored_at: Option<DateTime<Utc>>,
    writers: Writers,
    limit: i64,
) -> sqlx::Result<Step> {
    sqlx::query!("SELECT set_config('holdfast.renumbers_facts', 'on', true)").fetch_one(&mut *conn).await?;
    let row = sqlx::query!(
        r#"WITH log AS MATERIALIZED (
               SELECT restored_to, next_offset - id_offset AS shift,
                      (CASE WHEN $5 THEN pg_snapshot_xmax(snapshot) ELSE pg_snapshot_xmin(snapshot) END::text::bigint
                       + id_offset)::text::xid8 AS horizon
                 FROM event_log CROSS JOIN pg_current_snapshot() AS snapshot
           ), next AS MATERIALIZED (
               SELECT e.transaction_id, e.id FROM log CROSS JOIN order_events e
                WHERE (e.transaction_id, e.id) > ($1::bigint::text::xid8, $2) AND e.transaction_id < log.horizon
                ORDER BY e.transaction_id, e.id LIMIT $4
           ), renumbered AS (
               UPDATE order_events e SET transaction_id = (e.transaction_id::text::bigint + log.shift)::text::xid8
                 FROM next CROSS JOIN log
                WHERE (e.transaction_id, e.id) = (next.transaction_id, next.id)
                  AND (e.id > log.restored_to OR e.occurred_at >= $3)
               RETURNING e.id
           )
           SELECT count(*) AS "looked_at!", (SELECT count(*) FROM renumbered) AS "new!",
                  max(transaction_id::text::bigint) AS transaction,
                  (array_agg(id ORDER BY transaction_id DESC, id DESC))[1] AS id
             FROM next"#,
        after.transaction,
        after.id,
        restored_at,
        limit,
        writers == Writers::Stopped,
    )
    .fetch_one(conn)
    .await?;
    let to = row.transaction.zip(row.id).map_or(after, |(transaction, id)| LogPosition { transaction, id });
    Ok(Step { to, looked_at: row.looked_at, new: row.new })
}

/// Numbers facts from now on with the offset that was chosen, and lets readers read again.
pub async fn finish(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE event_log
            SET id_offset = next_offset, next_offset = NULL, ahead_since = NULL, restored_to = NULL, new_from = NULL",
    )
    .execute(conn)
    .await?;
    Ok(())
}

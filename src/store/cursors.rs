//! How far each reader of the event log has come.
//!
//! Ids are handed out before a transaction commits, so a bare id cursor would skip what commits late. Readers go in
//! rounds of whole transactions instead: all that began before the oldest one still running, and not in an earlier
//! round. Two facts of one order are never in the wrong rounds: where the later one is visible, the transaction of the
//! earlier one has ended too.

use sqlx::PgConnection;

/// A reader of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// The relay, which publishes every fact.
    Events,
    /// The feed, which counts what was paid and writes down whom to tell.
    Effects,
    /// The figures, which count facts per minute.
    Figures,
}

impl Cursor {
    fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Effects => "effects",
            Self::Figures => "figures",
        }
    }

    /// The advisory lock of its one leader.
    fn lock(self) -> i64 {
        match self {
            Self::Events => 0x686f_6c64_7265_6c61,
            Self::Effects => 0x686f_6c64_6665_6564,
            Self::Figures => 0x686f_6c64_6669_6775,
        }
    }
}

/// A range of transactions and how far it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// From this transaction on, as PostgreSQL writes an `xid8`.
    pub from: String,
    /// Up to before this one.
    pub to: String,
    /// The last fact read of it, where a reader notes that.
    pub last_id: i64,
}

/// Whether this session is now the one that reads. It stays so until its connection ends.
pub async fn try_lead(conn: &mut PgConnection, cursor: Cursor) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "leading!""#, cursor.lock())
        .fetch_one(conn)
        .await
}

/// The round to read: the unfinished one, or a new one up to the oldest running transaction. Whoever calls this in a
/// transaction of their own has the cursor for themselves until it ends.
pub async fn open_round(conn: &mut PgConnection, cursor: Cursor) -> sqlx::Result<Round> {
    // A cursor lost in a crash of the server takes with it only what was written in the same transaction, so this
    // commit need not wait for the disk. The snapshot may be older than a row that somebody else has just moved on.
    sqlx::query_as!(
        Round,
        r#"WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
           UPDATE relay_cursors
              SET to_transaction = CASE WHEN from_transaction = to_transaction
                                        THEN greatest(from_transaction, pg_snapshot_xmin(pg_current_snapshot()))
                                        ELSE to_transaction END,
                  updated_at = now()
             FROM relaxed
            WHERE name = $1
           RETURNING from_transaction::text AS "from!", to_transaction::text AS "to!", last_id"#,
        cursor.name(),
    )
    .fetch_one(conn)
    .await
}

/// Notes that facts up to `last_id` of this round are read. Returns whether the round is still this reader's.
pub async fn advance(
    conn: &mut PgConnection,
    cursor: Cursor,
    round: &Round,
    last_id: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
         UPDATE relay_cursors SET last_id = $4, updated_at = now() FROM relaxed
          WHERE name = $1 AND from_transaction = $2::text::xid8 AND to_transaction = $3::text::xid8
            AND last_id < $4",
        cursor.name(),
        round.from,
        round.to,
        last_id,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that all of this round, or of this first part of it, is read.
pub async fn finish(conn: &mut PgConnection, cursor: Cursor, round: &Round) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
         UPDATE relay_cursors SET from_transaction = $3::text::xid8, last_id = 0, updated_at = now() FROM relaxed
          WHERE name = $1 AND from_transaction = $2::text::xid8 AND to_transaction >= $3::text::xid8",
        cursor.name(),
        round.from,
        round.to,
    )
    .execute(conn)
    .await?;
    Ok(())
}

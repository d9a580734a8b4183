//! How far each reader of the event log has come.
//!
//! Facts are read in the order of their transaction, then of their id, up to the horizon: the oldest transaction that still
//! runs. A fact's `transaction_id` is that of its own transaction or, where that is greater, of the fact of its order before it
//! ([`super::append`]). So
//!
//! * nothing is skipped: who writes a fact has an id no greater than the fact's, and has ended when the horizon is above it;
//! * facts of one order are read in order: their transaction ids never fall, and their ids grow, because an order's row is locked
//!   when a fact of it is written.
//!
//! The second does not follow from the transactions' own ids: a batch gets its id with its first row and then waits for
//! another one, so that the later fact can have the smaller id, and a horizon between the two would let it out first.

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
    /// Every reader, with its name for people.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Events, "relay"), (Self::Effects, "feed"), (Self::Figures, "figures")];

    pub(in crate::store) fn name(self) -> &'static str {
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

/// A place in the log: behind one fact, or with 0 in place of a fact's id before all facts of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// The transaction, as the log numbers them.
    pub transaction: i64,
    pub id: i64,
}

/// What a reader finds.
#[derive(Debug, Clone, Copy)]
pub struct CursorLook {
    /// How far it has come.
    pub position: LogPosition,
    /// The oldest transaction that still runs: all facts before it can be read.
    pub horizon: i64,
    /// Whether the log is ahead of the server, so that nobody may read: see [`super::restored_log`].
    pub is_ahead: bool,
}

/// Facts that are read together: those behind `from` up to `to`.
#[derive(Debug, Clone, Copy)]
pub struct LogPart {
    /// Behind this place …
    pub from: LogPosition,
    /// … up to this one.
    pub to: LogPosition,
    pub facts: i64,
    /// Whether there may be more before the horizon.
    pub is_full: bool,
}

impl LogPart {
    /// The part of these facts, of which at most `limit` were asked for. One that is not full ends at the horizon.
    pub(super) fn of(look: &CursorLook, facts: &[LogPosition], limit: i64) -> Self {
        let count = i64::try_from(facts.len()).unwrap_or(i64::MAX);
        let full = facts.last().copied().filter(|_| count >= limit);
        let end = LogPosition { transaction: look.horizon, id: 0 };
        let to = full.unwrap_or_else(|| end.max(look.position));
        Self { from: look.position, to, facts: count, is_full: full.is_some() }
    }
}

/// Whether this session is now the one that reads. It stays so until its connection ends.
pub async fn try_lead(conn: &mut PgConnection, cursor: Cursor) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "leading!""#, cursor.lock())
        .fetch_one(conn)
        .await
}

/// Has the cursor for this transaction alone until it ends. Look afterwards.
pub async fn hold(conn: &mut PgConnection, cursor: Cursor) -> sqlx::Result<()> {
    sqlx::query!("SELECT FROM relay_cursors WHERE name = $1 FOR NO KEY UPDATE", cursor.name())
        .execute(conn)
        .await?;
    Ok(())
}

/// How far a reader has come, and how far it may go.
pub async fn look(conn: &mut PgConnection, cursor: Cursor) -> sqlx::Result<CursorLook> {
    let row = sqlx::query!(
        r#"SELECT from_transaction::text::bigint AS "transaction!", to_transaction::text::bigint AS "to!", last_id AS id,
                  pg_snapshot_xmin(pg_current_snapshot())::text::bigint + id_offset AS "horizon!",
                  ahead_since IS NOT NULL AS "is_ahead!"
             FROM relay_cursors CROSS JOIN event_log WHERE name = $1"#,
        cursor.name(),
    )
    .fetch_one(conn)
    .await?;
    // The relay of the version before went through many transactions in order of id. Where it stopped in the middle, they are
    // published once more.
    let id = if row.to == row.transaction + 1 { row.id } else { 0 };
    let position = LogPosition { transaction: row.transaction, id };
    Ok(CursorLook { position, horizon: row.horizon, is_ahead: row.is_ahead })
}

/// Notes that a part is read. Returns whether the cursor was still where the part began, whoever moved it.
pub async fn advance(conn: &mut PgConnection, cursor: Cursor, part: &LogPart) -> sqlx::Result<bool> {
    // A cursor lost in a crash of the server takes with it only what was written in the same transaction, so this commit need
    // not wait for the disk.
    let done = sqlx::query!(
        "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
         UPDATE relay_cursors
            SET from_transaction = $4::bigint::text::xid8, last_id = $5,
                to_transaction = ($4::bigint + CASE WHEN $5::bigint > 0 THEN 1 ELSE 0 END)::text::xid8, updated_at = now()
           FROM relaxed
          WHERE name = $1 AND from_transaction = $2::bigint::text::xid8
            AND CASE WHEN to_transaction::text::bigint = $2::bigint + 1 THEN last_id ELSE 0 END = $3",
        cursor.name(),
        part.from.transaction,
        part.from.id,
        part.to.transaction,
        part.to.id,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

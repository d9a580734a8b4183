//! Before which instant all payments, refunds, charges and effects have come to their end, so that a look for what is open
//! need not walk what ended before: under a long snapshot its entries stay in the indexes. Looks use `nothing_open_before()`
//! of the schema. How it stays true: `docs/decisions/0155-marks-before-what-is-open.md`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// No transaction that opens something takes longer (see `APPLY_LIMIT` of the workers).
const BEHIND_SECONDS: i32 = 60;
/// A mark moves by steps of this, because its row, too, keeps old versions under a long snapshot.
const STEP_SECONDS: i32 = 10;

/// What has a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// Card payments, by when they were made.
    Payment,
    /// Refunds to cards, by when they were made.
    Refund,
    /// Charges by card, by when they were asked for.
    Charge,
    /// Effects, by when they are due.
    Effect,
}

impl MarkKind {
    pub const ALL: [Self; 4] = [Self::Payment, Self::Refund, Self::Charge, Self::Effect];

    fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Charge => "charge",
            Self::Effect => "effect",
        }
    }
}

/// Moves a mark on to the oldest that is open from there, unless somebody puts it back meanwhile. Returns whether it moved.
pub async fn move_on(conn: &mut PgConnection, kind: MarkKind) -> sqlx::Result<bool> {
    let moved = sqlx::query!(
        "WITH look AS MATERIALIZED (
             SELECT updated_at AS seen_at, nothing_open_before($1) AS beginning FROM open_marks WHERE kind = $1
         ), reached AS MATERIALIZED (
             SELECT seen_at, least(now() - make_interval(secs => $2::int), CASE $1
                 WHEN 'payment' THEN (SELECT created_at FROM payments
                                       WHERE status IN ('requesting', 'unknown', 'returning') AND created_at >= beginning
                                       ORDER BY created_at LIMIT 1)
                 WHEN 'refund' THEN (SELECT created_at FROM refunds WHERE status = 'requesting' AND created_at >= beginning
                                      ORDER BY created_at LIMIT 1)
                 WHEN 'charge' THEN (SELECT requested_at FROM charges
                                      WHERE status IN ('requesting', 'unknown', 'returning') AND requested_at >= beginning
                                      ORDER BY requested_at LIMIT 1)
                 ELSE (SELECT due_at FROM effects WHERE status = 'open' AND due_at >= beginning ORDER BY due_at LIMIT 1)
                 END) AS instant
               FROM look
         )
         UPDATE open_marks SET ended_before = reached.instant, updated_at = clock_timestamp()
           FROM reached
          WHERE kind = $1 AND updated_at = reached.seen_at
            AND reached.instant >= ended_before + make_interval(secs => $3::int)",
        kind.name(),
        BEHIND_SECONDS,
        STEP_SECONDS,
    )
    .execute(conn)
    .await?;
    Ok(moved.rows_affected() > 0)
}

/// Puts a mark back before what is open in a span of time though the mark has passed it. Returns whether there was something.
pub async fn look_again(
    conn: &mut PgConnection,
    kind: MarkKind,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let moved = sqlx::query!(
        "WITH passed AS MATERIALIZED (
             SELECT CASE $1
                 WHEN 'payment' THEN (SELECT created_at FROM payments
                                       WHERE status IN ('requesting', 'unknown', 'returning')
                                         AND created_at >= $2 AND created_at < $3 ORDER BY created_at LIMIT 1)
                 WHEN 'refund' THEN (SELECT created_at FROM refunds WHERE status = 'requesting'
                                         AND created_at >= $2 AND created_at < $3 ORDER BY created_at LIMIT 1)
                 WHEN 'charge' THEN (SELECT requested_at FROM charges
                                      WHERE status IN ('requesting', 'unknown', 'returning')
                                        AND requested_at >= $2 AND requested_at < $3 ORDER BY requested_at LIMIT 1)
                 ELSE (SELECT due_at FROM effects WHERE status = 'open'
                          AND due_at >= $2 AND due_at < $3 ORDER BY due_at LIMIT 1)
                 END AS instant
         )
         UPDATE open_marks SET ended_before = passed.instant, updated_at = clock_timestamp()
           FROM passed WHERE kind = $1 AND passed.instant < ended_before",
        kind.name(),
        from,
        until,
    )
    .execute(conn)
    .await?;
    Ok(moved.rows_affected() > 0)
}

/// Puts a mark back before payments or charges that are declined and about to be open again, and locked. Whoever moves the mark
/// at this moment has not seen them, so it is touched in any case.
pub async fn put_back(conn: &mut PgConnection, kind: MarkKind, ids: &[Uuid]) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE open_marks SET ended_before = least(ended_before, reopened.since), updated_at = clock_timestamp()
           FROM (SELECT CASE $1
                     WHEN 'payment' THEN (SELECT min(created_at) FROM payments WHERE id = ANY($2) AND status = 'declined')
                     WHEN 'charge' THEN (SELECT min(requested_at) FROM charges WHERE id = ANY($2) AND status = 'declined')
                     END AS since) AS reopened
          WHERE kind = $1 AND reopened.since IS NOT NULL",
        kind.name(),
        ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

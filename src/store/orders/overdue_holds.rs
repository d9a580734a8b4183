//! Holds past their deadline, found without walking what ended before: under a long snapshot (a dump, a replica's
//! feedback) the entries of ended holds stay in `orders_held_by_deadline`, so a look begins at a mark that the sweeper
//! moves (`holds_ended_before()` of the schema). How it stays true: `docs/decisions/0130-a-mark-before-overdue-holds.md`.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::domain::ids::OrderId;

/// The mark stays so far behind the clock: no transaction that makes a hold takes longer (see `APPLY_LIMIT` of the workers).
const BEHIND: TimeDelta = TimeDelta::seconds(60);
/// The mark moves by steps of this, because its row, too, keeps old versions under a long snapshot.
const STEP: TimeDelta = TimeDelta::seconds(10);

#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    pub id: OrderId,
    pub expires_at: DateTime<Utc>,
}

/// A span of deadlines, from its beginning up to and without its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it begins; absent at the mark.
    pub from: Option<DateTime<Utc>>,
    /// Where it ends; absent with the present.
    pub until: Option<DateTime<Utc>>,
}

/// The mark: every hold with a deadline before it has ended. Nothing if all of time has to be looked through.
pub async fn mark(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(r#"SELECT nullif(holds_ended_before(), '-infinity') AS "mark""#).fetch_one(conn).await
}

/// Moves the mark on, up to the oldest hold that is left. Returns whether it moved.
pub async fn move_mark(conn: &mut PgConnection) -> sqlx::Result<bool> {
    let moved = sqlx::query!(
        "UPDATE hold_mark SET ended_before = reached.instant, updated_at = now()
           FROM (SELECT coalesce(
                        (SELECT expires_at FROM orders
                          WHERE status = 'held' AND expires_at >= holds_ended_before()
                            AND expires_at < now() - make_interval(secs => $1::int)
                          ORDER BY expires_at LIMIT 1),
                        now() - make_interval(secs => $1::int)) AS instant) AS reached
          WHERE reached.instant >= hold_mark.ended_before + make_interval(secs => $2::int)",
        seconds(BEHIND),
        seconds(STEP),
    )
    .execute(conn)
    .await?;
    Ok(moved.rows_affected() > 0)
}

/// Holds of a span that are overdue by more than `grace_seconds`, oldest first, locked until the transaction ends: in health
/// there are none. One that somebody else has locked is being ended, or is left for the next time: it is in nobody's way.
pub async fn lock(
    conn: &mut PgConnection,
    span: Span,
    grace_seconds: i32,
    limit: i64,
) -> sqlx::Result<Vec<Overdue>> {
    let rows = sqlx::query!(
        r#"SELECT id, expires_at AS "expires_at!" FROM orders
            WHERE status = 'held' AND expires_at >= coalesce($1, holds_ended_before())
              AND expires_at < coalesce($2, 'infinity'::timestamptz) AND expires_at <= now() - make_interval(secs => $3::int)
            ORDER BY expires_at LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED"#,
        span.from,
        span.until,
        grace_seconds,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Overdue { id: row.id.into(), expires_at: row.expires_at }).collect())
}

fn seconds(delta: TimeDelta) -> i32 {
    i32::try_from(delta.num_seconds()).expect("a few seconds")
}

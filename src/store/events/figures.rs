//! Figures per minute, counted once from the event log: how many facts of each kind, and how late holds were released.

use sqlx::PgConnection;

use super::cursors::{CursorLook, LogPart, LogPosition};

/// Where one bucket of lateness ends and the next begins, in milliseconds; the last one has no end.
pub const LATENESS_BOUNDS_MS: [i64; 9] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000];

/// Whether nobody has counted for this long.
pub async fn are_due(conn: &mut PgConnection, after_seconds: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT updated_at < now() - make_interval(secs => $1::int) AS "due!"
             FROM relay_cursors WHERE name = 'figures'"#,
        after_seconds,
    )
    .fetch_one(conn)
    .await
}

/// The next facts, at most `limit`.
pub async fn next_part(conn: &mut PgConnection, look: &CursorLook, limit: i64) -> sqlx::Result<LogPart> {
    let facts = sqlx::query_as!(
        LogPosition,
        r#"SELECT transaction_id::text::bigint AS "transaction!", id FROM order_events
            WHERE (transaction_id, id) > ($1::bigint::text::xid8, $2) AND transaction_id < $3::bigint::text::xid8
            ORDER BY transaction_id, id LIMIT $4"#,
        look.position.transaction,
        look.position.id,
        look.horizon,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(LogPart::of(look, &facts, limit))
}

/// Counts the facts of a part.
pub async fn count(conn: &mut PgConnection, part: &LogPart) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO event_figures AS figures (minute, type, facts, amount_won)
         SELECT date_trunc('minute', occurred_at, 'UTC'), type, count(*),
                coalesce(sum((data ->> 'amount_won')::bigint)
                             FILTER (WHERE type IN ('order.paid', 'payment.late')), 0)
           FROM order_events
          WHERE (transaction_id, id) > ($1::bigint::text::xid8, $2)
            AND (transaction_id, id) <= ($3::bigint::text::xid8, $4)
          GROUP BY 1, 2
         ON CONFLICT (minute, type) DO UPDATE
            SET facts = figures.facts + excluded.facts, amount_won = figures.amount_won + excluded.amount_won",
        part.from.transaction,
        part.from.id,
        part.to.transaction,
        part.to.id,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO release_figures AS figures (minute, bucket, holds, worst_ms)
         SELECT date_trunc('minute', occurred_at, 'UTC'), width_bucket(late_ms, $5::bigint[]), count(*), max(late_ms)
           FROM (SELECT occurred_at,
                        greatest(0, extract(epoch FROM occurred_at - (data ->> 'expires_at')::timestamptz) * 1000)
                            ::bigint AS late_ms
                   FROM order_events
                  WHERE (transaction_id, id) > ($1::bigint::text::xid8, $2)
                    AND (transaction_id, id) <= ($3::bigint::text::xid8, $4)
                    AND type = 'order.expired') AS released
          GROUP BY 1, 2
         ON CONFLICT (minute, bucket) DO UPDATE
            SET holds = figures.holds + excluded.holds, worst_ms = greatest(figures.worst_ms, excluded.worst_ms)",
        part.from.transaction,
        part.from.id,
        part.to.transaction,
        part.to.id,
        &LATENESS_BOUNDS_MS[..],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what nobody asks for any more.
pub async fn forget(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM event_figures WHERE minute < now() - interval '2 days'")
        .execute(&mut *conn)
        .await?;
    sqlx::query!("DELETE FROM release_figures WHERE minute < now() - interval '2 days'")
        .execute(conn)
        .await?;
    Ok(())
}

/// Facts of one kind within one minute.
#[derive(Debug, Clone)]
pub struct MinuteCount {
    /// How many minutes ago, 0 is the current one.
    pub minutes_ago: i32,
    /// The kind of fact.
    pub kind: String,
    pub facts: i64,
}

/// Facts per minute and kind of the last `minutes`, the current one included.
pub async fn per_minute(conn: &mut PgConnection, minutes: i32) -> sqlx::Result<Vec<MinuteCount>> {
    sqlx::query_as!(
        MinuteCount,
        r#"SELECT (extract(epoch FROM date_trunc('minute', now(), 'UTC') - minute) / 60)::integer AS "minutes_ago!",
                  type AS kind, facts
             FROM event_figures
            WHERE minute > date_trunc('minute', now(), 'UTC') - make_interval(mins => $1::int)
            ORDER BY minute, type"#,
        minutes,
    )
    .fetch_all(conn)
    .await
}

/// How often something happened within the last day, and how much money it was about.
#[derive(Debug, Clone, Copy)]
pub struct DayCount {
    pub facts: i64,
    pub amount_won: i64,
}

/// Money that came within the last day for orders that no longer waited for it.
pub async fn late_money(conn: &mut PgConnection) -> sqlx::Result<DayCount> {
    sqlx::query_as!(
        DayCount,
        r#"SELECT coalesce(sum(facts), 0)::bigint AS "facts!", coalesce(sum(amount_won), 0)::bigint AS "amount_won!"
             FROM event_figures WHERE minute > now() - interval '1 day' AND type = 'payment.late'"#,
    )
    .fetch_one(conn)
    .await
}

/// Holds released so late.
#[derive(Debug, Clone, Copy)]
pub struct Lateness {
    /// The bucket: 0 is below the first of [`LATENESS_BOUNDS_MS`].
    pub bucket: i32,
    /// Holds of the last hour.
    pub hour: i64,
    /// Holds of the last day.
    pub day: i64,
    /// The latest of the last hour, in milliseconds.
    pub worst_hour_ms: i64,
    /// The latest of the last day, in milliseconds.
    pub worst_day_ms: i64,
}

/// How late holds were released within the last hour and day.
pub async fn lateness(conn: &mut PgConnection) -> sqlx::Result<Vec<Lateness>> {
    sqlx::query_as!(
        Lateness,
        r#"SELECT bucket, coalesce(sum(holds) FILTER (WHERE is_recent), 0)::bigint AS "hour!",
                  sum(holds)::bigint AS "day!", coalesce(max(worst_ms) FILTER (WHERE is_recent), 0) AS "worst_hour_ms!",
                  max(worst_ms) AS "worst_day_ms!"
             FROM (SELECT bucket, holds, worst_ms, minute > now() - interval '1 hour' AS is_recent
                     FROM release_figures WHERE minute > now() - interval '1 day') AS figures
            GROUP BY bucket ORDER BY bucket"#,
    )
    .fetch_all(conn)
    .await
}

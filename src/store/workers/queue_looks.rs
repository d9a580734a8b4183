//! When each queue was last seen empty. Nothing that waits in it now has waited longer.

use sqlx::PgConnection;

/// Whether the last look is so long ago that somebody should look again.
pub async fn are_due(conn: &mut PgConnection, after_seconds: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(max(looked_at) < now() - make_interval(secs => $1::int), true) AS "due!"
             FROM queue_looks"#,
        after_seconds,
    )
    .fetch_one(conn)
    .await
}

/// Writes down how many messages wait in each queue now.
pub async fn store(conn: &mut PgConnection, looks: &[(String, u64)]) -> sqlx::Result<()> {
    let queues: Vec<&str> = looks.iter().map(|(queue, _)| queue.as_str()).collect();
    let ready: Vec<i64> = looks.iter().map(|(_, ready)| i64::try_from(*ready).unwrap_or(i64::MAX)).collect();
    sqlx::query!(
        "INSERT INTO queue_looks AS looks (queue, ready, empty_at)
         SELECT queue, ready, CASE WHEN ready = 0 THEN now() END
           FROM unnest($1::text[], $2::bigint[]) AS new (queue, ready) ORDER BY queue
         ON CONFLICT (queue) DO UPDATE
            SET ready = excluded.ready, looked_at = now(), empty_at = coalesce(excluded.empty_at, looks.empty_at)",
        &queues as &[&str],
        &ready,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A bound of the age of whatever waits in a queue.
#[derive(Debug, Clone)]
pub struct Age {
    pub queue: String,
    /// Nothing in it has waited longer, in seconds.
    pub at_most_seconds: i64,
}

/// For each queue of which something is known, how long its oldest message can have waited: not since before it was
/// seen empty, and not longer than the last batch that was taken from it, whose messages came earlier.
pub async fn ages(conn: &mut PgConnection) -> sqlx::Result<Vec<Age>> {
    sqlx::query_as!(
        Age,
        r#"SELECT queue AS "queue!", ceil(extract(epoch FROM now() - max(since)))::bigint AS "at_most_seconds!"
             FROM (SELECT queue, empty_at AS since FROM queue_looks WHERE empty_at IS NOT NULL
                   UNION ALL
                   SELECT pool, last_batch_at - make_interval(secs => waited_seconds) FROM worker_pools
                    WHERE last_batch_at IS NOT NULL AND waited_seconds IS NOT NULL) AS bounds
            GROUP BY queue ORDER BY queue LIMIT 1000"#,
    )
    .fetch_all(conn)
    .await
}

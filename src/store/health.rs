//! What may be wrong, counted up to a limit: each look is a short walk on an index, however much is wrong.

use sqlx::PgConnection;

/// Further than this nobody counts: what is wrong so often is wrong enough.
pub const COUNTED_AT_MOST: i64 = 1_000;

/// How many of something there are, and the age of the oldest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Backlog {
    /// How many, at most 1,000.
    pub count: i64,
    /// How old the oldest is; 0 if there is none.
    pub oldest_seconds: i64,
}

/// Holds past their time that nothing has released yet; the age is their lateness.
pub async fn overdue_holds(conn: &mut PgConnection) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(expires_at)), 0)::bigint AS "oldest_seconds!"
             FROM (SELECT expires_at FROM orders WHERE status = 'held' AND expires_at <= now()
                    ORDER BY expires_at LIMIT $1) AS overdue"#,
        COUNTED_AT_MOST,
    )
    .fetch_one(conn)
    .await
}

/// Money on its way at a gateway.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct OpenMoney {
    /// `payment`, `refund` or `charge`.
    pub kind: String,
    /// Where it stands: `requesting`, `unknown` or `returning`.
    pub status: String,
    /// How many, at most 1,000.
    pub count: i64,
    /// How old the oldest is.
    pub oldest_seconds: i64,
}

/// Payments, refunds and charges whose gateway has not given its last answer.
pub async fn open_money(conn: &mut PgConnection) -> sqlx::Result<Vec<OpenMoney>> {
    sqlx::query_as!(
        OpenMoney,
        r#"SELECT kind AS "kind!", status AS "status!", count(*) AS "count!",
                  extract(epoch FROM now() - min(since))::bigint AS "oldest_seconds!"
             FROM ((SELECT 'payment' AS kind, status::text, created_at AS since FROM payments
                     WHERE status IN ('requesting', 'unknown', 'returning') ORDER BY created_at LIMIT $1)
                   UNION ALL
                   (SELECT 'refund', status::text, created_at FROM refunds
                     WHERE status = 'requesting' ORDER BY created_at LIMIT $1)
                   UNION ALL
                   (SELECT 'charge', status::text, requested_at FROM charges
                     WHERE status IN ('requesting', 'unknown', 'returning') ORDER BY requested_at LIMIT $1)) AS open
            GROUP BY kind, status ORDER BY kind, status"#,
        COUNTED_AT_MOST,
    )
    .fetch_all(conn)
    .await
}

/// Webhooks of the last day about a payment key that still is none of ours.
pub async fn unmatched_webhooks(conn: &mut PgConnection) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(received_at)), 0)::bigint AS "oldest_seconds!"
             FROM (SELECT received_at, payment_key FROM webhooks
                    WHERE payment_id IS NULL AND charge_id IS NULL AND received_at > now() - interval '1 day'
                    ORDER BY received_at LIMIT $1) AS unmatched
            WHERE NOT EXISTS (SELECT FROM payments p WHERE p.payment_key = unmatched.payment_key)
              AND NOT EXISTS (SELECT FROM charges c WHERE c.payment_key = unmatched.payment_key)"#,
        COUNTED_AT_MOST,
    )
    .fetch_one(conn)
    .await
}

/// Dead letters that wait for a person.
pub async fn open_dead_letters(conn: &mut PgConnection) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(last_died_at)), 0)::bigint AS "oldest_seconds!"
             FROM (SELECT last_died_at FROM dead_letters WHERE status = 'open'
                    ORDER BY last_died_at LIMIT $1) AS open"#,
        COUNTED_AT_MOST,
    )
    .fetch_one(conn)
    .await
}

/// Facts the relay has not published yet.
pub async fn relay_lag(conn: &mut PgConnection) -> sqlx::Result<Backlog> {
    // Of a round that is being published, facts up to the noted one are out already.
    sqlx::query_as!(
        Backlog,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(occurred_at)), 0)::bigint AS "oldest_seconds!"
             FROM (SELECT e.occurred_at FROM order_events e
                     JOIN relay_cursors c ON c.name = 'events'
                    WHERE e.transaction_id >= (SELECT from_transaction FROM relay_cursors WHERE name = 'events')
                      AND NOT (e.transaction_id < c.to_transaction AND e.id <= c.last_id)
                    ORDER BY e.transaction_id, e.id LIMIT $1) AS waiting"#,
        COUNTED_AT_MOST,
    )
    .fetch_one(conn)
    .await
}

/// Payments and refunds that have not taken effect yet.
pub async fn feed_lag(conn: &mut PgConnection) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(occurred_at)), 0)::bigint AS "oldest_seconds!"
             FROM (SELECT occurred_at FROM order_events
                    WHERE transaction_id >= (SELECT from_transaction FROM relay_cursors WHERE name = 'effects')
                      AND type IN ('order.paid', 'order.refunded')
                    ORDER BY transaction_id, id LIMIT $1) AS waiting"#,
        COUNTED_AT_MOST,
    )
    .fetch_one(conn)
    .await
}

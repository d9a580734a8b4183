//! What waits for somebody, in numbers: counted by index, and no further than whoever asks wants to know, so that no look is
//! long however much is wrong.

pub mod shown;

use sqlx::PgConnection;

use crate::store::events::cursors::Cursor;

/// How much waits, and for how long the oldest of it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiting {
    /// How many, counted no further than asked for.
    pub count: i64,
    /// How long the oldest has waited, in seconds; 0 if there is none.
    pub oldest_seconds: f64,
}

/// Dead letters that nobody has decided about.
pub async fn dead_letters(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<Waiting> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(last_died_at))::float8, 0) AS "oldest_seconds!"
             FROM (SELECT last_died_at FROM dead_letters WHERE status = 'open'
                    ORDER BY last_died_at LIMIT $1) oldest"#,
        at_most,
    )
    .fetch_one(conn)
    .await
}

/// Holds past their deadline.
pub async fn overdue_holds(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<Waiting> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(expires_at))::float8, 0) AS "oldest_seconds!"
             FROM (SELECT expires_at FROM orders
                    WHERE status = 'held' AND expires_at >= holds_ended_before() AND expires_at <= now()
                    ORDER BY expires_at LIMIT $1) oldest"#,
        at_most,
    )
    .fetch_one(conn)
    .await
}

/// Mails and reports that are due.
pub async fn effects(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<Waiting> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(due_at))::float8, 0) AS "oldest_seconds!"
             FROM (SELECT due_at FROM effects
                    WHERE status = 'open' AND due_at >= nothing_open_before('effect') AND due_at < now()
                    ORDER BY due_at LIMIT $1) oldest"#,
        at_most,
    )
    .fetch_one(conn)
    .await
}

/// Money of one kind in one state.
#[derive(Debug)]
pub struct WaitingMoney {
    /// `payment`, `charge` or `refund`.
    pub kind: String,
    pub status: String,
    pub count: i64,
    /// How long ago the oldest was asked for, in seconds.
    pub oldest_seconds: f64,
}

/// Payments, charges and refunds that a gateway has not settled, by what is waited for. States with none are left out.
pub async fn open_money(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<Vec<WaitingMoney>> {
    sqlx::query_as!(
        WaitingMoney,
        r#"SELECT kind AS "kind!", status AS "status!", count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(since))::float8, 0) AS "oldest_seconds!"
             FROM ((SELECT 'payment' AS kind, status::text, created_at AS since FROM payments
                     WHERE status IN ('requesting', 'unknown', 'returning')
                       AND created_at >= nothing_open_before('payment') ORDER BY created_at LIMIT $1)
                   UNION ALL
                   (SELECT 'charge', status::text, requested_at FROM charges
                     WHERE status IN ('requesting', 'unknown', 'returning')
                       AND requested_at >= nothing_open_before('charge') ORDER BY requested_at LIMIT $1)
                   UNION ALL
                   (SELECT 'refund', status::text, created_at FROM refunds
                     WHERE status = 'requesting' AND created_at >= nothing_open_before('refund')
                     ORDER BY created_at LIMIT $1)) open
            GROUP BY kind, status ORDER BY kind, status"#,
        at_most,
    )
    .fetch_all(conn)
    .await
}

/// Facts that a reader of the log has not read; the feed's are those about money.
pub async fn unread(conn: &mut PgConnection, reader: Cursor, at_most: i64) -> sqlx::Result<Waiting> {
    if reader == Cursor::Effects {
        return unread_by_feed(conn, at_most).await;
    }
    sqlx::query_as!(
        Waiting,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(f.occurred_at))::float8, 0) AS "oldest_seconds!"
             FROM relay_cursors c
            CROSS JOIN LATERAL (
                  SELECT e.occurred_at FROM order_events e
                   WHERE (e.transaction_id, e.id) > (c.from_transaction, c.last_id)
                   ORDER BY e.transaction_id, e.id LIMIT $1) f
            WHERE c.name = $2"#,
        at_most,
        reader.name(),
    )
    .fetch_one(conn)
    .await
}

/// Facts that the feed has not let take effect.
async fn unread_by_feed(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<Waiting> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(f.occurred_at))::float8, 0) AS "oldest_seconds!"
             FROM relay_cursors c
            CROSS JOIN LATERAL facts_of_effect_after(c.from_transaction, c.last_id, '9223372036854775807', $1) f
            WHERE c.name = 'effects'"#,
        at_most,
    )
    .fetch_one(conn)
    .await
}

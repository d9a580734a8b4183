//! Money that went to or came from a gateway, by the time at which it was written down, for the comparison with the gateway's
//! own transactions.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::gateway::PaymentKey;
use crate::store::decoded;

/// How far a walk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovementPosition {
    created_at: DateTime<Utc>,
    transaction: Uuid,
}

/// Some movements, in the order of time.
#[derive(Debug, Clone)]
pub struct Movements {
    /// The keys of the payments and charges whose money moved.
    pub keys: Vec<PaymentKey>,
    /// Where the next page begins, if there may be one.
    pub next: Option<MovementPosition>,
}

/// At most `limit` movements from `from` on, and before `until`.
pub async fn page(
    conn: &mut PgConnection,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    after: Option<MovementPosition>,
    limit: i64,
) -> sqlx::Result<Movements> {
    let rows = sqlx::query!(
        r#"SELECT e.created_at, e.transaction_id, coalesce(p.payment_key, c.payment_key) AS payment_key
             FROM (SELECT created_at, transaction_id FROM ledger_entries
                    WHERE account = 'gateway' AND created_at >= $1 AND created_at < $2
                      AND ($3::timestamptz IS NULL OR (created_at, transaction_id) > ($3, $4::uuid))
                    ORDER BY created_at, transaction_id LIMIT $5) e
             LEFT JOIN refunds r ON r.id = e.transaction_id
             LEFT JOIN payments p ON p.id = coalesce(r.payment_id, e.transaction_id)
             LEFT JOIN charges c ON c.id = e.transaction_id
            ORDER BY e.created_at, e.transaction_id"#,
        from,
        until,
        after.map(|place| place.created_at),
        after.map(|place| place.transaction),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let is_full = rows.len() as i64 == limit;
    let last = rows
        .last()
        .map(|row| MovementPosition { created_at: row.created_at, transaction: row.transaction_id });
    let keys = rows.into_iter().filter_map(|row| row.payment_key);
    let keys = keys.map(|key| decoded(PaymentKey::parse(key))).collect::<sqlx::Result<_>>()?;
    Ok(Movements { keys, next: last.filter(|_| is_full) })
}

//! Money that went to or came from a gateway, by the time at which it was written down, for the comparison with the gateway's
//! own transactions.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::gateway::PaymentKey;
use crate::page;
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
    /// Where the next page begins, if there is one.
    pub next: Option<MovementPosition>,
}

/// A page of the movements from `from` on, and before `until`.
pub async fn page(
    conn: &mut PgConnection,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    after: Option<MovementPosition>,
    size: usize,
) -> sqlx::Result<Movements> {
    let mut rows = sqlx::query!(
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
        page::rows_to_read(size),
    )
    .fetch_all(conn)
    .await?;
    let next = page::cut(&mut rows, size)
        .map(|last| MovementPosition { created_at: last.created_at, transaction: last.transaction_id });
    let keys = rows.into_iter().filter_map(|row| row.payment_key);
    let keys = keys.map(|key| decoded(PaymentKey::parse(key))).collect::<sqlx::Result<_>>()?;
    Ok(Movements { keys, next })
}

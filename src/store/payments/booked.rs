//! Card payments as the books have them, for the comparison with the gateway's.

use sqlx::PgConnection;
use uuid::Uuid;

use super::PaymentStatus;
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::money::Won;
use crate::store::decoded;

/// A card payment, or a charge by card, as the books have it.
#[derive(Debug, Clone)]
pub struct Booked {
    pub id: CommandId,
    /// The order it is for, if it is no charge.
    pub order_id: Option<OrderId>,
    /// The gateway's name of it.
    pub key: PaymentKey,
    /// What is paid by card.
    pub amount: Won,
    /// What of it went back by refunds.
    pub refunded: Won,
    /// A refund of it that is on its way.
    pub open_refund: Option<CommandId>,
    pub status: PaymentStatus,
}

impl Booked {
    /// What the gateway knows as the order.
    pub fn asked_for(&self) -> String {
        self.order_id.map_or_else(|| self.id.0.to_string(), |order| order.to_string())
    }
}

struct BookedRow {
    id: Uuid,
    order_id: Uuid,
    payment_key: String,
    card_won: i64,
    refunded_won: i64,
    open_refund: Option<Uuid>,
    status: PaymentStatus,
}

impl TryFrom<BookedRow> for Booked {
    type Error = sqlx::Error;

    fn try_from(row: BookedRow) -> sqlx::Result<Self> {
        let key = decoded(PaymentKey::parse(row.payment_key))?;
        Ok(Self {
            id: CommandId(row.id),
            order_id: Some(row.order_id.into()),
            key,
            amount: Won(row.card_won),
            refunded: Won(row.refunded_won),
            open_refund: row.open_refund.map(CommandId),
            status: row.status,
        })
    }
}

/// Every payment under one of these keys.
pub async fn by_keys(conn: &mut PgConnection, keys: &[PaymentKey]) -> sqlx::Result<Vec<Booked>> {
    let keys: Vec<&str> = keys.iter().map(PaymentKey::as_str).collect();
    let rows = sqlx::query_as!(
        BookedRow,
        r#"SELECT p.id, p.order_id, p.payment_key AS "payment_key!", p.card_won, p.status AS "status: PaymentStatus",
                  back.refunded_won AS "refunded_won!", back.open_refund
             FROM payments p CROSS JOIN LATERAL (
                  SELECT coalesce(sum(card_won) FILTER (WHERE status = 'done'), 0)::bigint AS refunded_won,
                         (array_agg(id) FILTER (WHERE status = 'requesting'))[1] AS open_refund
                    FROM refunds WHERE payment_id = p.id) AS back
            WHERE p.payment_key = ANY($1)"#,
        &keys as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Booked::try_from).collect()
}

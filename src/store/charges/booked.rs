//! Charges by card as the books have them, for the comparison with the gateway's.

use sqlx::PgConnection;
use uuid::Uuid;

use super::ChargeStatus;
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::CommandId;
use crate::domain::money::Won;
use crate::store::decoded;
use crate::store::payments::PaymentStatus;
use crate::store::payments::booked::Booked;

struct RawBookedCharge {
    id: Uuid,
    payment_key: String,
    amount_won: i64,
    status: ChargeStatus,
}

impl TryFrom<RawBookedCharge> for Booked {
    type Error = sqlx::Error;

    fn try_from(row: RawBookedCharge) -> sqlx::Result<Self> {
        let status = match row.status {
            ChargeStatus::Open | ChargeStatus::Requesting => PaymentStatus::Requesting,
            ChargeStatus::Unknown => PaymentStatus::Unknown,
            ChargeStatus::Posted => PaymentStatus::Captured,
            ChargeStatus::Refused | ChargeStatus::Declined => PaymentStatus::Declined,
            ChargeStatus::Returning => PaymentStatus::Returning,
            ChargeStatus::Returned => PaymentStatus::Returned,
        };
        let key = decoded(PaymentKey::parse(row.payment_key))?;
        Ok(Self {
            id: CommandId(row.id),
            order_id: None,
            key,
            amount: Won(row.amount_won),
            refunded: Won(0),
            open_refund: None,
            status,
        })
    }
}

/// Every charge under one of these keys.
pub async fn by_keys(conn: &mut PgConnection, keys: &[PaymentKey]) -> sqlx::Result<Vec<Booked>> {
    let keys: Vec<&str> = keys.iter().map(PaymentKey::as_str).collect();
    let rows = sqlx::query_as!(
        RawBookedCharge,
        r#"SELECT id, payment_key AS "payment_key!", amount_won, status AS "status: ChargeStatus"
             FROM charges WHERE payment_key = ANY($1)"#,
        &keys as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Booked::try_from).collect()
}

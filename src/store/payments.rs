//! Attempts to pay.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::money::Won;
use crate::domain::refusal::DeclineReason;

/// `payment_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "payment_status", rename_all = "snake_case")]
pub enum PaymentStatus {
    /// The gateway is asked for the money.
    Requesting,
    /// It may have taken it or not.
    Unknown,
    /// The money is ours.
    Captured,
    /// Nothing was taken.
    Declined,
    /// Money for an order that is no longer ours is on its way back.
    Returning,
    /// It is back.
    Returned,
}

/// One attempt that is decided at once, and what came of it.
#[derive(Debug, Clone)]
pub struct DecidedPayment {
    /// The command that asked for it.
    pub id: CommandId,
    /// The order it is for.
    pub order_id: OrderId,
    /// The order's amount.
    pub amount: Won,
    /// The gateway's name of it, if it was to be paid by card; from the wallet otherwise.
    pub card: Option<PaymentKey>,
    /// Why nothing was taken, if nothing was.
    pub declined: Option<DeclineReason>,
}

/// Writes down payments that are decided.
pub async fn insert(conn: &mut PgConnection, payments: &[DecidedPayment]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.id.0).collect();
    let orders: Vec<Uuid> = payments.iter().map(|payment| payment.order_id.uuid()).collect();
    let amounts: Vec<i64> = payments.iter().map(|payment| payment.amount.0).collect();
    let keys: Vec<Option<&str>> =
        payments.iter().map(|payment| payment.card.as_ref().map(PaymentKey::as_str)).collect();
    let statuses: Vec<PaymentStatus> = payments
        .iter()
        .map(|payment| payment.declined.map_or(PaymentStatus::Captured, |_| PaymentStatus::Declined))
        .collect();
    let reasons: Vec<Option<&str>> =
        payments.iter().map(|payment| payment.declined.map(DeclineReason::name)).collect();
    sqlx::query!(
        "INSERT INTO payments (id, order_id, method, status, amount_won, payment_key, decline_reason)
         SELECT id, order_id, CASE WHEN payment_key IS NULL THEN 'wallet' ELSE 'card' END::payment_method,
                status, amount_won, payment_key, decline_reason
           FROM unnest($1::uuid[], $2::uuid[], $3::payment_status[], $4::bigint[], $5::text[], $6::text[])
             AS new (id, order_id, status, amount_won, payment_key, decline_reason)",
        &ids,
        &orders,
        statuses.as_slice() as &[PaymentStatus],
        &amounts,
        keys.as_slice() as &[Option<&str>],
        reasons.as_slice() as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

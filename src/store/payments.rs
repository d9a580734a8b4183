//! Attempts to pay.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::{CommandId, OrderId};
use crate::domain::money::Won;
use crate::domain::refusal::DeclineReason;

/// `payment_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "payment_status", rename_all = "snake_case")]
enum PaymentStatus {
    Captured,
    Declined,
}

/// One attempt and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct WalletPayment {
    /// The command that asked for it.
    pub id: CommandId,
    /// The order it is for.
    pub order_id: OrderId,
    /// The order's amount.
    pub amount: Won,
    /// Why nothing was taken, if nothing was.
    pub declined: Option<DeclineReason>,
}

/// Writes down payments from wallets.
pub async fn insert(conn: &mut PgConnection, payments: &[WalletPayment]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.id.0).collect();
    let orders: Vec<Uuid> = payments.iter().map(|payment| payment.order_id.uuid()).collect();
    let amounts: Vec<i64> = payments.iter().map(|payment| payment.amount.0).collect();
    let statuses: Vec<PaymentStatus> = payments
        .iter()
        .map(|payment| payment.declined.map_or(PaymentStatus::Captured, |_| PaymentStatus::Declined))
        .collect();
    let reasons: Vec<Option<&str>> = payments
        .iter()
        .map(|payment| payment.declined.map(|DeclineReason::InsufficientBalance| "insufficient_balance"))
        .collect();
    sqlx::query!(
        "INSERT INTO payments (id, order_id, method, status, amount_won, decline_reason)
         SELECT id, order_id, 'wallet', status, amount_won, decline_reason
           FROM unnest($1::uuid[], $2::uuid[], $3::payment_status[], $4::bigint[], $5::text[])
             AS new (id, order_id, status, amount_won, decline_reason)",
        &ids,
        &orders,
        statuses.as_slice() as &[PaymentStatus],
        &amounts,
        reasons.as_slice() as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

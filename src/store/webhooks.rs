//! What gateways told us by themselves.

use sqlx::PgConnection;

use crate::domain::gateway::{GatewayOrderId, PaymentKey};
use crate::domain::ids::{CommandId, OrderId};

/// A webhook that was checked.
#[derive(Debug, Clone)]
pub struct NewWebhook<'a> {
    /// Which gateway.
    pub provider: &'a str,
    /// Its id, the same when it is sent again.
    pub event_id: &'a str,
    /// What it tells, in the gateway's words.
    pub kind: &'a str,
    /// The payment it names.
    pub payment_key: Option<&'a PaymentKey>,
    /// The order it names.
    pub gateway_order_id: Option<&'a GatewayOrderId>,
    /// Whether its sender knows one of our secrets.
    pub signed: bool,
}

/// Stores a webhook once, and returns the payment it is about, if it is one of ours; sent again, it returns the same.
pub async fn store(
    conn: &mut PgConnection,
    webhook: &NewWebhook<'_>,
) -> sqlx::Result<Option<(CommandId, OrderId)>> {
    // Of several attempts under one key the one of the order it names comes first, then one that can still change.
    let payment = sqlx::query!(
        "SELECT id, order_id FROM payments
          WHERE payment_key = $1
          ORDER BY order_id::text = $2 DESC, status IN ('requesting', 'unknown', 'returning') DESC, status = 'declined', created_at DESC
          LIMIT 1",
        webhook.payment_key.map(PaymentKey::as_str),
        webhook.gateway_order_id.map_or("", GatewayOrderId::as_str),
    )
    .fetch_optional(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO webhooks (provider, event_id, kind, payment_key, gateway_order_id, signed, payment_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (provider, event_id) DO NOTHING",
        webhook.provider,
        webhook.event_id,
        webhook.kind,
        webhook.payment_key.map(PaymentKey::as_str),
        webhook.gateway_order_id.map(GatewayOrderId::as_str),
        webhook.signed,
        payment.as_ref().map(|payment| payment.id),
    )
    .execute(conn)
    .await?;
    Ok(payment.map(|payment| (CommandId(payment.id), payment.order_id.into())))
}

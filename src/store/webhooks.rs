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

/// What of ours a webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A payment of an order.
    Payment(CommandId, OrderId),
    /// A charge of a wallet.
    Charge(CommandId),
}

/// Stores a webhook once, and returns what it is about, if that is ours; sent again, it returns the same.
pub async fn store(conn: &mut PgConnection, webhook: &NewWebhook<'_>) -> sqlx::Result<Option<About>> {
    let about = matching(conn, webhook).await?;
    let (payment_id, charge_id) = match about {
        Some(About::Payment(id, _)) => (Some(id.0), None),
        Some(About::Charge(id)) => (None, Some(id.0)),
        None => (None, None),
    };
    sqlx::query!(
        "INSERT INTO webhooks (provider, event_id, kind, payment_key, gateway_order_id, signed, payment_id, charge_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (provider, event_id) DO NOTHING",
        webhook.provider,
        webhook.event_id,
        webhook.kind,
        webhook.payment_key.map(PaymentKey::as_str),
        webhook.gateway_order_id.map(GatewayOrderId::as_str),
        webhook.signed,
        payment_id,
        charge_id,
    )
    .execute(conn)
    .await?;
    Ok(about)
}

async fn matching(conn: &mut PgConnection, webhook: &NewWebhook<'_>) -> sqlx::Result<Option<About>> {
    // Of several attempts under one key the one of the order it names comes first, then one that can still change, then
    // one that the gateway was really asked about. The gateway knows a charge's id as the order.
    let row = sqlx::query!(
        r#"SELECT id AS "id!", order_id FROM (
               SELECT id, order_id, order_id AS asked_for, status::text, created_at, last_inquiry_at
                 FROM payments WHERE payment_key = $1
               UNION ALL
               SELECT id, NULL, id, status::text, created_at, last_inquiry_at
                 FROM charges WHERE payment_key = $1) AS ours
            ORDER BY asked_for::text = $2 DESC, status IN ('requesting', 'unknown', 'returning') DESC,
                     status = 'declined', last_inquiry_at IS NULL, created_at DESC
            LIMIT 1"#,
        webhook.payment_key.map(PaymentKey::as_str),
        webhook.gateway_order_id.map_or("", GatewayOrderId::as_str),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| match row.order_id {
        Some(order_id) => About::Payment(CommandId(row.id), order_id.into()),
        None => About::Charge(CommandId(row.id)),
    }))
}

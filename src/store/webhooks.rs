//! What gateways told us by themselves, and what strangers told in their name.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::gateway::{GatewayOrderId, PaymentKey};
use crate::domain::ids::{CommandId, OrderId};

/// Rows kept of one payment, one charge, or one order. A gateway sends a handful; whoever knows a name can send any number.
const KEPT_OF_EACH: i64 = 200;

/// A webhook that was checked.
#[derive(Debug, Clone)]
pub struct NewWebhook<'a> {
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

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is about this, whose gateway is to be asked. It is stored, unless there are very many of the same.
    Matched(About),
    /// It names an order or a charge of ours, or the gateway has signed it, and its payment is unknown. It is stored.
    Unmatched,
    /// It names nothing of ours. It is stored.
    Strange,
    /// Its payment is unknown, and it is not stored: there are too many like it, of its order or within a minute. The gateway is
    /// to send it again.
    TooMany,
}

/// Takes a webhook: stores it once. Of those that name nothing of ours and that nobody signed, `strange_per_minute` are stored
/// within a minute, in all; some more where several come at the same moment.
pub async fn take(
    conn: &mut PgConnection,
    webhook: &NewWebhook<'_>,
    strange_per_minute: i64,
) -> sqlx::Result<Taken> {
    let about = matching(conn, webhook).await?;
    let concerns_us = about.is_some() || webhook.signed || names_ours(conn, webhook).await?;
    let at_most = if concerns_us { KEPT_OF_EACH } else { strange_per_minute };
    let is_stored = store(conn, webhook, about, concerns_us, at_most).await?;
    Ok(match about {
        Some(about) => Taken::Matched(about),
        None if !is_stored && !is_known(conn, webhook).await? => Taken::TooMany,
        None if concerns_us => Taken::Unmatched,
        None => Taken::Strange,
    })
}

/// Stores a webhook unless it is known or `at_most` of its kind are: about the same payment, charge or order, or, without any
/// of these, of the last minute. Signed ones are counted by themselves: no stranger takes their places.
async fn store(
    conn: &mut PgConnection,
    webhook: &NewWebhook<'_>,
    about: Option<About>,
    concerns_us: bool,
    at_most: i64,
) -> sqlx::Result<bool> {
    let (payment_id, charge_id) = match about {
        Some(About::Payment(id, _)) => (Some(id.0), None),
        Some(About::Charge(id)) => (None, Some(id.0)),
        None => (None, None),
    };
    let stored = sqlx::query!(
        "INSERT INTO webhooks (provider, event_id, kind, payment_key, gateway_order_id, signed, payment_id, charge_id,
                               concerns_us)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
          WHERE (SELECT count(*)
                   FROM (SELECT FROM webhooks WHERE payment_id = $7 AND signed = $6
                         UNION ALL
                         SELECT FROM webhooks WHERE charge_id = $8 AND signed = $6
                         UNION ALL
                         SELECT FROM webhooks
                          WHERE gateway_order_id = $5 AND signed = $6 AND $9 AND $7 IS NULL AND $8 IS NULL
                         UNION ALL
                         SELECT FROM webhooks
                          WHERE NOT $9 AND NOT concerns_us AND received_at > now() - interval '1 minute'
                         LIMIT $10) AS of_its_kind) < $10
         ON CONFLICT (provider, event_id) DO NOTHING",
        webhook.provider,
        webhook.event_id,
        webhook.kind,
        webhook.payment_key.map(PaymentKey::as_str),
        webhook.gateway_order_id.map(GatewayOrderId::as_str),
        webhook.signed,
        payment_id,
        charge_id,
        concerns_us,
        at_most,
    )
    .execute(conn)
    .await?;
    Ok(stored.rows_affected() == 1)
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

/// Whether it names an order or a charge of ours, in the very letters that gateways know it by.
async fn names_ours(conn: &mut PgConnection, webhook: &NewWebhook<'_>) -> sqlx::Result<bool> {
    let named = webhook.gateway_order_id.and_then(|order| {
        let id = Uuid::parse_str(order.as_str()).ok()?;
        (GatewayOrderId::from(id) == *order).then_some(id)
    });
    let Some(id) = named else { return Ok(false) };
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM orders WHERE id = $1) OR EXISTS (SELECT FROM charges WHERE id = $1) AS "ours!""#,
        id,
    )
    .fetch_one(conn)
    .await
}

async fn is_known(conn: &mut PgConnection, webhook: &NewWebhook<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM webhooks WHERE provider = $1 AND event_id = $2) AS "known!""#,
        webhook.provider,
        webhook.event_id,
    )
    .fetch_one(conn)
    .await
}

/// Removes webhooks about no payment and no charge that came more than `days` ago: the oldest `at_most` of those that came at
/// `from` or later. Returns how many, and when the last of them came.
pub async fn remove_unmatched(
    conn: &mut PgConnection,
    days: i32,
    from: Option<DateTime<Utc>>,
    at_most: i64,
) -> sqlx::Result<(i64, Option<DateTime<Utc>>)> {
    let removed = sqlx::query!(
        r#"WITH old AS MATERIALIZED (
               SELECT id, received_at FROM webhooks
                WHERE payment_id IS NULL AND charge_id IS NULL
                  AND received_at >= coalesce($2, '-infinity'::timestamptz)
                  AND received_at < now() - make_interval(days => $1)
                ORDER BY received_at LIMIT $3 FOR UPDATE
           ), removed AS (
               DELETE FROM webhooks USING old WHERE webhooks.id = old.id
           )
           SELECT count(*) AS "count!", max(received_at) AS last FROM old"#,
        days,
        from,
        at_most,
    )
    .fetch_one(conn)
    .await?;
    Ok((removed.count, removed.last))
}

//! Money as operators see it: what a gateway has not settled, and what it told of that is not ours.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::workers::backlog::shown::{Backlog, COUNTED_AT_MOST};

/// Money on its way at a gateway.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OnItsWay {
    /// `payment`, `refund` or `charge`.
    pub kind: String,
    /// Its id, which is its command's.
    pub id: Uuid,
    /// Where it stands: `requesting`, `unknown` or `returning`.
    pub status: String,
    /// The order; none for a charge of a wallet.
    pub order_id: Option<Uuid>,
    /// Whose it is.
    pub customer_id: Option<String>,
    /// How much the gateway is asked for.
    pub amount_won: i64,
    /// The gateway's name of the payment.
    pub payment_key: Option<String>,
    /// When the gateway was last asked how it stands.
    pub last_inquiry_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub since: DateTime<Utc>,
    /// How long ago that is.
    pub age_seconds: i64,
}

/// What a gateway has not settled, oldest first.
pub async fn on_its_way(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<OnItsWay>> {
    sqlx::query_as!(
        OnItsWay,
        r#"SELECT way.kind AS "kind!", way.id AS "id!", way.status AS "status!", way.order_id,
                  coalesce(way.customer_id, o.customer_id) AS customer_id, way.amount_won AS "amount_won!",
                  way.payment_key, way.last_inquiry_at, way.since AS "since!",
                  extract(epoch FROM now() - way.since)::bigint AS "age_seconds!"
             FROM ((SELECT 'payment' AS kind, p.id, p.status::text, p.order_id, NULL AS customer_id,
                           p.card_won AS amount_won, p.payment_key, p.last_inquiry_at, p.created_at AS since
                      FROM payments p WHERE p.status IN ('requesting', 'unknown', 'returning')
                       AND p.created_at >= nothing_open_before('payment')
                     ORDER BY p.created_at LIMIT $1)
                   UNION ALL
                   (SELECT 'refund', r.id, r.status::text, r.order_id, NULL, r.card_won, p.payment_key,
                           r.last_inquiry_at, r.created_at
                      FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.status = 'requesting'
                       AND r.created_at >= nothing_open_before('refund')
                     ORDER BY r.created_at LIMIT $1)
                   UNION ALL
                   (SELECT 'charge', c.id, c.status::text, NULL, c.customer_id, c.amount_won, c.payment_key,
                           c.last_inquiry_at, c.requested_at
                      FROM charges c WHERE c.status IN ('requesting', 'unknown', 'returning')
                       AND c.requested_at >= nothing_open_before('charge')
                     ORDER BY c.requested_at LIMIT $1)) AS way
             LEFT JOIN orders o ON o.id = way.order_id
            ORDER BY way.since, way.id LIMIT $1"#,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// A webhook about no payment of ours.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct UnmatchedWebhook {
    /// Which gateway.
    pub provider: String,
    /// Its id there.
    pub event_id: String,
    /// What it tells, in the gateway's words.
    pub kind: String,
    /// The payment it names.
    pub payment_key: Option<String>,
    /// The order it names, in the gateway's words.
    pub gateway_order_id: Option<String>,
    /// Whether its sender knows one of our secrets.
    pub signed: bool,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// Whom webhooks about no payment of ours concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerned {
    /// Us: they name an order or a charge of ours, or the gateway has signed them.
    Us,
    Nobody,
}

/// Webhooks of the last day about a payment key that still is none of ours, latest first, and whether there may be more of them
/// than were looked at.
pub async fn unmatched_webhooks(
    conn: &mut PgConnection,
    concerned: Concerned,
) -> sqlx::Result<(Vec<UnmatchedWebhook>, bool)> {
    let rows = sqlx::query!(
        r#"SELECT provider, event_id, kind, payment_key, gateway_order_id, signed, received_at,
                  EXISTS (SELECT FROM payments p WHERE p.payment_key = w.payment_key)
                  OR EXISTS (SELECT FROM charges c WHERE c.payment_key = w.payment_key) AS "is_ours!"
             FROM webhooks w
            WHERE concerns_us = $1 AND payment_id IS NULL AND charge_id IS NULL
              AND received_at > now() - interval '1 day'
            ORDER BY received_at DESC LIMIT $2"#,
        concerned == Concerned::Us,
        COUNTED_AT_MOST,
    )
    .fetch_all(conn)
    .await?;
    let may_be_more = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= COUNTED_AT_MOST;
    let unmatched = rows.into_iter().filter(|row| !row.is_ours).map(|row| UnmatchedWebhook {
        provider: row.provider,
        event_id: row.event_id,
        kind: row.kind,
        payment_key: row.payment_key,
        gateway_order_id: row.gateway_order_id,
        signed: row.signed,
        received_at: row.received_at,
    });
    Ok((unmatched.collect(), may_be_more))
}

/// How many there are that concern us, and how long ago the first of them came.
pub async fn count_unmatched_webhooks(conn: &mut PgConnection) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT count(*) AS "count!",
                  coalesce(extract(epoch FROM now() - min(received_at)), 0)::bigint AS "oldest_seconds!"
             FROM (SELECT received_at, payment_key FROM webhooks
                    WHERE concerns_us AND payment_id IS NULL AND charge_id IS NULL
                      AND received_at > now() - interval '1 day'
                    ORDER BY received_at LIMIT $1) AS unmatched
            WHERE NOT EXISTS (SELECT FROM payments p WHERE p.payment_key = unmatched.payment_key)
              AND NOT EXISTS (SELECT FROM charges c WHERE c.payment_key = unmatched.payment_key)"#,
        COUNTED_AT_MOST,
    )
    .fetch_one(conn)
    .await
}

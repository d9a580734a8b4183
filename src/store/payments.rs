//! Attempts to pay.

pub mod booked;
pub mod by_card;
pub mod card_movements;
pub mod unsettled;

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::decoded;
use super::named_locks::{self, Named};
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::money::Won;
use crate::domain::payment::Parts;
use crate::domain::refusal::DeclineReason;

/// `payment_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "payment_status", rename_all = "snake_case")]
pub enum PaymentStatus {
    /// The gateway is asked for the card's part.
    Requesting,
    /// It may have taken it or not.
    Unknown,
    Captured,
    Declined,
    /// Money for an order that is no longer ours is on its way back.
    Returning,
    Returned,
}

impl PaymentStatus {
    /// Its name, the same as in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requesting => "requesting",
            Self::Unknown => "unknown",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Returning => "returning",
            Self::Returned => "returned",
        }
    }

    /// Whether the gateway is still asked about it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Requesting | Self::Unknown | Self::Returning)
    }
}

/// How an attempt begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// The gateway is to be asked.
    Requesting,
    Captured,
    Declined(DeclineReason),
}

/// A new attempt to pay.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// The command that asks for it.
    pub id: CommandId,
    /// The order it is for.
    pub order_id: OrderId,
    pub amount: Won,
    /// What it is made of.
    pub parts: Parts,
    /// The gateway's name of it, if a part is paid by card.
    pub key: Option<PaymentKey>,
    pub begin: Begin,
}

impl NewPayment {
    /// The payment of an order that costs nothing.
    pub fn nothing(order_id: OrderId) -> Self {
        let (id, parts) = (order_id.into(), Parts::default());
        Self { id, order_id, amount: Won(0), parts, key: None, begin: Begin::Captured }
    }
}

/// Writes attempts down. Returns whether it could: not if meanwhile a key pays for something else. Then the transaction
/// has to be rolled back.
pub async fn insert(conn: &mut PgConnection, payments: &[NewPayment]) -> sqlx::Result<bool> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.id.0).collect();
    let orders: Vec<Uuid> = payments.iter().map(|payment| payment.order_id.uuid()).collect();
    let part = |part: fn(&Parts) -> Won| -> Vec<i64> {
        payments.iter().map(|payment| part(&payment.parts).0).collect()
    };
    let amounts: Vec<i64> = payments.iter().map(|payment| payment.amount.0).collect();
    let keys: Vec<Option<&str>> =
        payments.iter().map(|payment| payment.key.as_ref().map(PaymentKey::as_str)).collect();
    let (statuses, reasons): (Vec<PaymentStatus>, Vec<Option<&str>>) = payments
        .iter()
        .map(|payment| match payment.begin {
            Begin::Requesting => (PaymentStatus::Requesting, None),
            Begin::Captured => (PaymentStatus::Captured, None),
            Begin::Declined(reason) => (PaymentStatus::Declined, Some(reason.name())),
        })
        .unzip();
    let written = sqlx::query!(
        "INSERT INTO payments (id, order_id, status, amount_won, wallet_won, points_won, card_won, payment_key,
                               decline_reason)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::payment_status[], $4::bigint[], $5::bigint[],
                              $6::bigint[], $7::bigint[], $8::text[], $9::text[])
         ON CONFLICT (payment_key) WHERE status <> 'declined' DO NOTHING",
        &ids,
        &orders,
        statuses.as_slice() as &[PaymentStatus],
        &amounts,
        &part(|parts| parts.wallet),
        &part(|parts| parts.points),
        &part(|parts| parts.card),
        keys.as_slice() as &[Option<&str>],
        reasons.as_slice() as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(written.rows_affected() == payments.len() as u64)
}

/// Those of these keys that pay for something, or may, be it an order or a charge. Each key is locked until the transaction
/// ends, so that no other one takes it meanwhile; lock purses before it and SKUs after it.
pub async fn keys_in_use(conn: &mut PgConnection, keys: &[&PaymentKey]) -> sqlx::Result<HashSet<PaymentKey>> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    // In a statement of its own: the next one sees what was committed until all locks were there.
    named_locks::lock(&mut *conn, Named::PaymentKeys, &keys).await?;
    let rows = sqlx::query_scalar!(
        r#"SELECT payment_key AS "payment_key!" FROM payments WHERE payment_key = ANY($1) AND status <> 'declined'
           UNION
           SELECT payment_key FROM charges WHERE payment_key = ANY($1) AND status <> 'declined'"#,
        &keys as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|key| decoded(PaymentKey::parse(key))).collect()
}

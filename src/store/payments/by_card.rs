//! Card payments: what the gateway was asked, and how far it is answered.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::PaymentStatus;
use crate::domain::card::CardStatus;
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::money::Won;
use crate::domain::payment::Parts;
use crate::domain::refusal::DeclineReason;
use crate::store::open_marks::{self, MarkKind};
use crate::store::{CLAIM_SECONDS, decoded};

impl PaymentStatus {
    /// Where its card's part stands, if its gateway may have to be asked.
    pub fn by_card(self) -> Option<CardStatus> {
        match self {
            Self::Requesting => Some(CardStatus::Requesting),
            Self::Unknown => Some(CardStatus::Unknown),
            Self::Returning => Some(CardStatus::Returning),
            Self::Declined => Some(CardStatus::Declined),
            Self::Captured | Self::Returned => None,
        }
    }
}

impl From<CardStatus> for PaymentStatus {
    fn from(status: CardStatus) -> Self {
        match status {
            CardStatus::Requesting => Self::Requesting,
            CardStatus::Unknown => Self::Unknown,
            CardStatus::Returning => Self::Returning,
            CardStatus::Declined => Self::Declined,
        }
    }
}

/// A card payment that may not be at its end.
#[derive(Debug, Clone)]
pub struct CardPayment {
    /// Its id, from which the keys of all its calls are made.
    pub id: CommandId,
    /// The order it is for.
    pub order_id: OrderId,
    pub amount: Won,
    /// What it is made of; the card's part is what the gateway is asked for.
    pub parts: Parts,
    /// The gateway's name of it.
    pub key: PaymentKey,
    pub status: CardStatus,
    /// Inquiries that found nothing.
    pub not_found_count: i32,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the gateway was last asked for the money; when the row was written if it never was.
    pub asked_at: DateTime<Utc>,
}

struct RawCardPayment {
    id: Uuid,
    order_id: Uuid,
    amount_won: i64,
    wallet_won: i64,
    points_won: i64,
    card_won: i64,
    payment_key: String,
    status: PaymentStatus,
    not_found_count: i32,
    created_at: DateTime<Utc>,
    asked_at: DateTime<Utc>,
}

impl RawCardPayment {
    fn read(self) -> sqlx::Result<Option<CardPayment>> {
        let Some(status) = self.status.by_card() else { return Ok(None) };
        let key = decoded(PaymentKey::parse(self.payment_key))?;
        Ok(Some(CardPayment {
            id: CommandId(self.id),
            order_id: self.order_id.into(),
            amount: Won(self.amount_won),
            parts: Parts {
                wallet: Won(self.wallet_won),
                points: Won(self.points_won),
                card: Won(self.card_won),
            },
            key,
            status,
            not_found_count: self.not_found_count,
            created_at: self.created_at,
            asked_at: self.asked_at,
        }))
    }
}

/// Those of these payments whose gateway may have to be asked. A declined one whose key has paid for something under
/// another try is not among them: the money is that one's.
pub async fn find(conn: &mut PgConnection, payments: &[CommandId]) -> sqlx::Result<Vec<CardPayment>> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
    let rows = sqlx::query_as!(
        RawCardPayment,
        r#"SELECT id, order_id, amount_won, wallet_won, points_won, card_won, payment_key AS "payment_key!",
                  status AS "status: PaymentStatus", not_found_count, created_at, asked_at
             FROM payments WHERE id = ANY($1) AND payment_key IS NOT NULL
              AND NOT (status = 'declined' AND EXISTS (
                  SELECT FROM payments o WHERE o.payment_key = payments.payment_key
                     AND o.status IN ('captured', 'returning', 'returned')))"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().filter_map(|row| row.read().transpose()).collect()
}

/// [`find`], locked until the transaction ends. Lock their orders first.
pub async fn lock(conn: &mut PgConnection, payments: &[CommandId]) -> sqlx::Result<Vec<CardPayment>> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
    sqlx::query!("SELECT FROM payments WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &ids)
        .execute(&mut *conn)
        .await?;
    find(conn, payments).await
}

/// What an inquiry changes about a payment.
#[derive(Debug, Clone)]
pub struct PaymentChange {
    pub id: CommandId,
    /// Where it stands now.
    pub status: PaymentStatus,
    /// Whether this inquiry found nothing.
    pub not_found: bool,
    /// Why nothing was taken, with the gateway's code, if it is declined now.
    pub declined: Option<(DeclineReason, Option<String>)>,
}

/// Stores what inquiries came to.
pub async fn change(conn: &mut PgConnection, changes: &[PaymentChange]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<PaymentStatus> = changes.iter().map(|change| change.status).collect();
    let not_found: Vec<i32> = changes.iter().map(|change| i32::from(change.not_found)).collect();
    let reasons: Vec<Option<&str>> =
        changes.iter().map(|change| change.declined.as_ref().map(|(reason, _)| reason.name())).collect();
    let codes: Vec<Option<&str>> =
        changes.iter().map(|change| change.declined.as_ref().and_then(|(_, code)| code.as_deref())).collect();
    let again = changes.iter().filter(|change| change.status == PaymentStatus::Returning);
    let again: Vec<Uuid> = again.map(|change| change.id.0).collect();
    open_marks::put_back(conn, MarkKind::Payment, &again).await?;
    sqlx::query!(
        "UPDATE payments
            SET status = new.status, not_found_count = payments.not_found_count + new.not_found,
                decline_reason = new.reason, decline_code = new.code,
                inquiry_count = inquiry_count + 1, last_inquiry_at = now(),
                asked_at = CASE WHEN payments.status = 'requesting' THEN now() ELSE asked_at END
           FROM unnest($1::uuid[], $2::payment_status[], $3::int[], $4::text[], $5::text[])
             AS new (id, status, not_found, reason, code)
          WHERE payments.id = new.id",
        &ids,
        statuses.as_slice() as &[PaymentStatus],
        &not_found,
        reasons.as_slice() as &[Option<&str>],
        codes.as_slice() as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims open payments that nobody has asked about for `quiet_seconds`, oldest first, for a short while: in health there are
/// none. One that stays open though it was woken is claimed ever more rarely, as its message may only be waiting in a long
/// queue.
pub async fn claim_forgotten(
    conn: &mut PgConnection,
    quiet_seconds: i32,
    limit: i64,
) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
    let rows = sqlx::query!(
        "UPDATE payments SET claimed_until = now() + make_interval(secs => $3)
          WHERE id IN (SELECT id FROM payments
                        WHERE status IN ('requesting', 'unknown', 'returning')
                          AND created_at >= nothing_open_before('payment')
                          AND greatest(created_at, last_inquiry_at) < now() - make_interval(secs => $1::int)
                          AND (woken_at IS NULL OR woken_at < now() - greatest(make_interval(secs => $1::int), (now() - created_at) / 2))
                          AND (claimed_until IS NULL OR claimed_until < now())
                        ORDER BY created_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
         RETURNING id, order_id",
        quiet_seconds,
        limit,
        CLAIM_SECONDS,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (CommandId(row.id), row.order_id.into())).collect())
}

/// Notes which claimed payments were woken. Those that were not may be claimed again at once.
pub async fn note_woken(conn: &mut PgConnection, claimed: &[(CommandId, bool)]) -> sqlx::Result<()> {
    let (ids, woken): (Vec<Uuid>, Vec<bool>) = claimed.iter().map(|(id, woken)| (id.0, *woken)).unzip();
    sqlx::query!(
        "UPDATE payments SET claimed_until = NULL, woken_at = CASE WHEN claimed.woken THEN now() ELSE woken_at END
           FROM unnest($1::uuid[], $2::bool[]) AS claimed (id, woken) WHERE payments.id = claimed.id",
        &ids,
        &woken,
    )
    .execute(conn)
    .await?;
    Ok(())
}

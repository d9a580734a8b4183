//! Charges of wallets by card: what the gateway was asked, and how far it is answered.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Charge, ChargeStatus};
use crate::domain::card::CardStatus;
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, CustomerId};
use crate::domain::ledger::Purse;
use crate::domain::money::Won;
use crate::domain::refusal::DeclineReason;
use crate::store::open_marks::{self, MarkKind};
use crate::store::{CLAIM_SECONDS, charges, decoded};

/// Writes an open charge down, once per id. Returns it, and whether this very call did.
pub async fn place(
    conn: &mut PgConnection,
    id: CommandId,
    customer: &CustomerId,
    amount: Won,
) -> sqlx::Result<(Charge, bool)> {
    let written = sqlx::query!(
        "INSERT INTO charges (id, account, customer_id, amount_won, status) VALUES ($1, 'wallet', $2, $3, 'open')
         ON CONFLICT (id) DO NOTHING",
        id.0,
        customer.as_str(),
        amount.0,
    )
    .execute(&mut *conn)
    .await?;
    let charge = charges::find(conn, id, customer, Purse::Wallet).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok((charge, written.rows_affected() == 1))
}

/// A charge of this customer, locked until the transaction ends. Lock the wallet after it.
pub async fn lock_own(
    conn: &mut PgConnection,
    id: CommandId,
    customer: &CustomerId,
) -> sqlx::Result<Option<Charge>> {
    sqlx::query!(
        "SELECT FROM charges WHERE id = $1 AND customer_id = $2 FOR NO KEY UPDATE",
        id.0,
        customer.as_str()
    )
    .execute(&mut *conn)
    .await?;
    charges::find(conn, id, customer, Purse::Wallet).await
}

/// Notes that the gateway is to be asked for the money of an open charge. Lock charge, wallet and key first.
pub async fn request(conn: &mut PgConnection, id: CommandId, key: &PaymentKey) -> sqlx::Result<()> {
    let done = sqlx::query!(
        "UPDATE charges SET status = 'requesting', payment_key = $2, requested_at = now(), asked_at = now()
          WHERE id = $1 AND status = 'open'",
        id.0,
        key.as_str(),
    )
    .execute(conn)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

impl ChargeStatus {
    /// Where it stands at the gateway, if that may have to be asked.
    pub fn by_card(self) -> Option<CardStatus> {
        match self {
            Self::Requesting => Some(CardStatus::Requesting),
            Self::Unknown => Some(CardStatus::Unknown),
            Self::Returning => Some(CardStatus::Returning),
            Self::Declined => Some(CardStatus::Declined),
            Self::Open | Self::Posted | Self::Refused | Self::Returned => None,
        }
    }
}

impl From<CardStatus> for ChargeStatus {
    fn from(status: CardStatus) -> Self {
        match status {
            CardStatus::Requesting => Self::Requesting,
            CardStatus::Unknown => Self::Unknown,
            CardStatus::Returning => Self::Returning,
            CardStatus::Declined => Self::Declined,
        }
    }
}

/// A charge whose gateway may have to be asked.
#[derive(Debug, Clone)]
pub struct CardCharge {
    /// Its id, from which the keys of all its calls are made; the gateway knows it as the order.
    pub id: CommandId,
    /// Whose wallet it fills.
    pub customer_id: String,
    /// What is asked for.
    pub amount: Won,
    /// The gateway's name of it.
    pub key: PaymentKey,
    pub status: CardStatus,
    /// Inquiries that found nothing.
    pub not_found_count: i32,
    /// When the buyer brought the key.
    pub requested_at: DateTime<Utc>,
    /// When the gateway was last asked for the money; when the key was brought if it never was.
    pub asked_at: DateTime<Utc>,
}

struct RawCardCharge {
    id: Uuid,
    customer_id: String,
    amount_won: i64,
    payment_key: String,
    status: ChargeStatus,
    not_found_count: i32,
    requested_at: DateTime<Utc>,
    asked_at: DateTime<Utc>,
}

impl RawCardCharge {
    fn read(self) -> sqlx::Result<Option<CardCharge>> {
        let Some(status) = self.status.by_card() else { return Ok(None) };
        let key = decoded(PaymentKey::parse(self.payment_key))?;
        Ok(Some(CardCharge {
            id: CommandId(self.id),
            customer_id: self.customer_id,
            amount: Won(self.amount_won),
            key,
            status,
            not_found_count: self.not_found_count,
            requested_at: self.requested_at,
            asked_at: self.asked_at,
        }))
    }
}

/// Those of these charges whose gateway may have to be asked.
pub async fn find(conn: &mut PgConnection, charges: &[CommandId]) -> sqlx::Result<Vec<CardCharge>> {
    let ids: Vec<Uuid> = charges.iter().map(|charge| charge.0).collect();
    let rows = sqlx::query_as!(
        RawCardCharge,
        r#"SELECT id, customer_id, amount_won, payment_key AS "payment_key!", status AS "status: ChargeStatus",
                  not_found_count, requested_at AS "requested_at!", asked_at AS "asked_at!"
             FROM charges WHERE id = ANY($1) AND payment_key IS NOT NULL"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().filter_map(|row| row.read().transpose()).collect()
}

/// [`find`], locked in order until the transaction ends.
pub async fn lock(conn: &mut PgConnection, charges: &[CommandId]) -> sqlx::Result<Vec<CardCharge>> {
    let ids: Vec<Uuid> = charges.iter().map(|charge| charge.0).collect();
    sqlx::query!("SELECT FROM charges WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &ids)
        .execute(&mut *conn)
        .await?;
    find(conn, charges).await
}

/// What an inquiry changes about a charge.
#[derive(Debug, Clone)]
pub struct ChargeChange {
    pub id: CommandId,
    /// Where it stands now.
    pub status: ChargeStatus,
    /// Whether this inquiry found nothing.
    pub not_found: bool,
    /// Whether it found money although the charge counted as declined.
    pub is_late: bool,
    /// The balance after it, if it is posted now.
    pub balance: Option<Won>,
    /// Why nothing was taken, with the gateway's code, if it is declined now.
    pub declined: Option<(DeclineReason, Option<String>)>,
}

/// Stores what inquiries came to. What goes back keeps the reason for which it was declined.
pub async fn change(conn: &mut PgConnection, changes: &[ChargeChange]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<ChargeStatus> = changes.iter().map(|change| change.status).collect();
    let not_found: Vec<i32> = changes.iter().map(|change| i32::from(change.not_found)).collect();
    let late: Vec<bool> = changes.iter().map(|change| change.is_late).collect();
    let balances: Vec<Option<i64>> =
        changes.iter().map(|change| change.balance.map(|balance| balance.0)).collect();
    let reasons: Vec<Option<&str>> =
        changes.iter().map(|change| change.declined.as_ref().map(|(reason, _)| reason.name())).collect();
    let codes: Vec<Option<&str>> =
        changes.iter().map(|change| change.declined.as_ref().and_then(|(_, code)| code.as_deref())).collect();
    let again = changes.iter().filter(|change| change.status == ChargeStatus::Returning);
    let again: Vec<Uuid> = again.map(|change| change.id.0).collect();
    open_marks::put_back(conn, MarkKind::Charge, &again).await?;
    sqlx::query!(
        "UPDATE charges
            SET status = new.status, not_found_count = charges.not_found_count + new.not_found,
                late_at = CASE WHEN new.late THEN now() ELSE late_at END, balance_won = new.balance_won,
                decline_reason = CASE WHEN new.status = 'posted' THEN NULL ELSE coalesce(new.reason, decline_reason) END,
                decline_code = CASE WHEN new.status = 'posted' THEN NULL ELSE coalesce(new.code, decline_code) END,
                last_inquiry_at = now(),
                asked_at = CASE WHEN charges.status = 'requesting' THEN now() ELSE asked_at END
           FROM unnest($1::uuid[], $2::charge_status[], $3::int[], $4::bool[], $5::bigint[], $6::text[], $7::text[])
             AS new (id, status, not_found, late, balance_won, reason, code)
          WHERE charges.id = new.id",
        &ids,
        statuses.as_slice() as &[ChargeStatus],
        &not_found,
        &late,
        balances.as_slice() as &[Option<i64>],
        reasons.as_slice() as &[Option<&str>],
        codes.as_slice() as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims charges that nobody has asked about for `quiet_seconds`, oldest first, for a short while: in health there are
/// none. One that stays open though it was woken is claimed ever more rarely, as its message may only be waiting in a long
/// queue.
pub async fn claim_forgotten(
    conn: &mut PgConnection,
    quiet_seconds: i32,
    limit: i64,
) -> sqlx::Result<Vec<CommandId>> {
    let ids = sqlx::query_scalar!(
        "UPDATE charges SET claimed_until = now() + make_interval(secs => $3)
          WHERE id IN (SELECT id FROM charges
                        WHERE status IN ('requesting', 'unknown', 'returning')
                          AND requested_at >= nothing_open_before('charge')
                          AND greatest(requested_at, last_inquiry_at) < now() - make_interval(secs => $1::int)
                          AND (woken_at IS NULL OR woken_at < now() - greatest(make_interval(secs => $1::int), (now() - requested_at) / 2))
                          AND (claimed_until IS NULL OR claimed_until < now())
                        ORDER BY requested_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
         RETURNING id",
        quiet_seconds,
        limit,
        CLAIM_SECONDS,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(CommandId).collect())
}

/// Notes which claimed charges were woken. Those that were not may be claimed again at once.
pub async fn note_woken(conn: &mut PgConnection, claimed: &[(CommandId, bool)]) -> sqlx::Result<()> {
    let (ids, woken): (Vec<Uuid>, Vec<bool>) = claimed.iter().map(|(id, woken)| (id.0, *woken)).unzip();
    sqlx::query!(
        "UPDATE charges SET claimed_until = NULL, woken_at = CASE WHEN claimed.woken THEN now() ELSE woken_at END
           FROM unnest($1::uuid[], $2::bool[]) AS claimed (id, woken) WHERE charges.id = claimed.id",
        &ids,
        &woken,
    )
    .execute(conn)
    .await?;
    Ok(())
}

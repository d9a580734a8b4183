//! Card payments: what the gateway was asked, and how far it is answered.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::payments::PaymentStatus;
use crate::domain::card::Open;
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::money::Won;
use crate::domain::refusal::DeclineReason;

/// A payment whose money is to be asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The command that asks for it.
    pub id: CommandId,
    /// The order it is for.
    pub order_id: OrderId,
    /// The order's amount.
    pub amount: Won,
    /// The gateway's name of it.
    pub key: PaymentKey,
}

/// A card payment that may not be at its end.
#[derive(Debug, Clone)]
pub struct CardPayment {
    /// Its id, from which the keys of all its calls are made.
    pub id: CommandId,
    /// The order it is for.
    pub order_id: OrderId,
    /// What is asked for.
    pub amount: Won,
    /// The gateway's name of it.
    pub key: PaymentKey,
    /// Where it stands.
    pub status: Open,
    /// Inquiries that found nothing.
    pub not_found_count: i32,
    /// When the gateway was last asked for the money; when the row was written if it never was.
    pub asked_at: DateTime<Utc>,
}

struct Row {
    id: Uuid,
    order_id: Uuid,
    amount_won: i64,
    payment_key: String,
    status: PaymentStatus,
    not_found_count: i32,
    asked_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> sqlx::Result<Option<CardPayment>> {
        let status = match self.status {
            PaymentStatus::Requesting => Open::Requesting,
            PaymentStatus::Unknown => Open::Unknown,
            PaymentStatus::Returning => Open::Returning,
            PaymentStatus::Declined => Open::Declined,
            PaymentStatus::Captured | PaymentStatus::Returned => return Ok(None),
        };
        let key = PaymentKey::parse(self.payment_key).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Some(CardPayment {
            id: CommandId(self.id),
            order_id: self.order_id.into(),
            amount: Won(self.amount_won),
            key,
            status,
            not_found_count: self.not_found_count,
            asked_at: self.asked_at,
        }))
    }
}

/// Writes requests down. Returns those that were: a key that pays for something else already is left out.
pub async fn request(conn: &mut PgConnection, requests: &[Request]) -> sqlx::Result<Vec<CommandId>> {
    let ids: Vec<Uuid> = requests.iter().map(|request| request.id.0).collect();
    let orders: Vec<Uuid> = requests.iter().map(|request| request.order_id.uuid()).collect();
    let amounts: Vec<i64> = requests.iter().map(|request| request.amount.0).collect();
    let keys: Vec<&str> = requests.iter().map(|request| request.key.as_str()).collect();
    let rows = sqlx::query_scalar!(
        "INSERT INTO payments (id, order_id, method, status, amount_won, payment_key)
         SELECT id, order_id, 'card', 'requesting', amount_won, payment_key
           FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[])
             AS new (id, order_id, amount_won, payment_key)
         ON CONFLICT DO NOTHING RETURNING id",
        &ids,
        &orders,
        &amounts,
        &keys as &[&str],
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(CommandId).collect())
}

/// Those of these payments whose gateway may have to be asked. A declined one whose key has paid under another try is
/// not among them: the money is that one's.
pub async fn find(conn: &mut PgConnection, payments: &[CommandId]) -> sqlx::Result<Vec<CardPayment>> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, order_id, amount_won, payment_key AS "payment_key!", status AS "status: PaymentStatus",
                  not_found_count, asked_at
             FROM payments WHERE id = ANY($1) AND method = 'card'
              AND NOT (status = 'declined' AND EXISTS (
                  SELECT FROM payments o WHERE o.payment_key = payments.payment_key AND o.status <> 'declined'))"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().filter_map(|row| row.read().transpose()).collect()
}

/// [`find`], locked until the transaction ends. Lock their orders first.
pub async fn lock(conn: &mut PgConnection, payments: &[CommandId]) -> sqlx::Result<Vec<CardPayment>> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, order_id, amount_won, payment_key AS "payment_key!", status AS "status: PaymentStatus",
                  not_found_count, asked_at
             FROM payments WHERE id = ANY($1) AND method = 'card'
              AND NOT (status = 'declined' AND EXISTS (
                  SELECT FROM payments o WHERE o.payment_key = payments.payment_key AND o.status <> 'declined'))
            ORDER BY id FOR NO KEY UPDATE"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().filter_map(|row| row.read().transpose()).collect()
}

/// What an inquiry changes about a payment.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which payment.
    pub id: CommandId,
    /// Where it stands now.
    pub status: PaymentStatus,
    /// Whether this inquiry found nothing.
    pub not_found: bool,
    /// Why nothing was taken, with the gateway's code, if it is declined now.
    pub declined: Option<(DeclineReason, Option<String>)>,
}

/// Stores what inquiries came to.
pub async fn change(conn: &mut PgConnection, changes: &[Change]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = changes.iter().map(|change| change.id.0).collect();
    let statuses: Vec<PaymentStatus> = changes.iter().map(|change| change.status).collect();
    let not_found: Vec<i32> = changes.iter().map(|change| i32::from(change.not_found)).collect();
    let declined = |change: &Change| change.declined.clone().unzip();
    let (reasons, codes): (Vec<Option<DeclineReason>>, Vec<Option<Option<String>>>) =
        changes.iter().map(declined).unzip();
    let reasons: Vec<Option<&str>> =
        reasons.into_iter().map(|reason| reason.map(DeclineReason::name)).collect();
    let codes: Vec<Option<String>> = codes.into_iter().map(Option::flatten).collect();
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
        codes.as_slice() as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes both sides of captured card payments down.
pub async fn record_captures(conn: &mut PgConnection, captures: &[(CommandId, Won)]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = captures.iter().map(|(id, _)| id.0).collect();
    let amounts: Vec<i64> = captures.iter().map(|(_, amount)| amount.0).collect();
    sqlx::query!(
        "WITH taken AS (SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS t (id, amount_won) WHERE amount_won > 0)
         INSERT INTO ledger_entries (transaction_id, account, amount_won)
         SELECT id, 'gateway'::ledger_account, -amount_won FROM taken
         UNION ALL SELECT id, 'sales', amount_won FROM taken",
        &ids,
        &amounts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Claims open payments that nobody has asked about for `quiet_seconds`, oldest first: in health there are none.
pub async fn claim_forgotten(
    conn: &mut PgConnection,
    quiet_seconds: i32,
    limit: i64,
) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
    let rows = sqlx::query!(
        "UPDATE payments SET woken_at = now()
          WHERE id IN (SELECT id FROM payments
                        WHERE status IN ('requesting', 'unknown', 'returning')
                          AND greatest(created_at, last_inquiry_at, woken_at) < now() - make_interval(secs => $1::int)
                        ORDER BY created_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
         RETURNING id, order_id",
        quiet_seconds,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (CommandId(row.id), row.order_id.into())).collect())
}

/// A card payment as the books have it.
#[derive(Debug, Clone)]
pub struct Booked {
    /// Its id.
    pub id: CommandId,
    /// The order it is for.
    pub order_id: OrderId,
    /// The gateway's name of it.
    pub key: PaymentKey,
    /// The order's amount.
    pub amount: Won,
    /// Where it stands.
    pub status: PaymentStatus,
}

struct BookedRow {
    id: Uuid,
    order_id: Uuid,
    payment_key: String,
    amount_won: i64,
    status: PaymentStatus,
}

impl TryFrom<BookedRow> for Booked {
    type Error = sqlx::Error;

    fn try_from(row: BookedRow) -> sqlx::Result<Self> {
        let key = PaymentKey::parse(row.payment_key).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let (order_id, amount) = (row.order_id.into(), Won(row.amount_won));
        Ok(Self { id: CommandId(row.id), order_id, key, amount, status: row.status })
    }
}

/// Every payment under one of these keys.
pub async fn by_keys(conn: &mut PgConnection, keys: &[PaymentKey]) -> sqlx::Result<Vec<Booked>> {
    let keys: Vec<&str> = keys.iter().map(PaymentKey::as_str).collect();
    let rows = sqlx::query_as!(
        BookedRow,
        r#"SELECT id, order_id, payment_key AS "payment_key!", amount_won, status AS "status: PaymentStatus"
             FROM payments WHERE payment_key = ANY($1)"#,
        &keys as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Booked::try_from).collect()
}

/// Payments that were captured in a time, by when it was written down.
pub async fn captured_between(
    conn: &mut PgConnection,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> sqlx::Result<Vec<Booked>> {
    let rows = sqlx::query_as!(
        BookedRow,
        r#"SELECT p.id, p.order_id, p.payment_key AS "payment_key!", p.amount_won,
                  p.status AS "status: PaymentStatus"
             FROM ledger_entries e JOIN payments p ON p.id = e.transaction_id
            WHERE e.account = 'gateway' AND e.created_at BETWEEN $1 AND $2 AND p.method = 'card'"#,
        from,
        until,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Booked::try_from).collect()
}

//! Charges: what fills customers' purses. Those by card go on in [`card_charges`](super::card_charges).

pub mod booked;
pub mod by_card;

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::ledger::{self, Posting};
use crate::domain::charge::Fill;
use crate::domain::ids::{CommandId, CustomerId};
use crate::domain::ledger::{Phase, Purse};
use crate::domain::money::Won;

/// `charge_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "charge_status", rename_all = "snake_case")]
pub enum ChargeStatus {
    /// It is to be paid by card.
    Open,
    /// The gateway is asked for the money.
    Requesting,
    /// It may have taken it or not.
    Unknown,
    /// The amount is in the purse.
    Posted,
    /// The purse would have held too much.
    Refused,
    Declined,
    /// Money that came late and did not fit any more is on its way back.
    Returning,
    Returned,
}

/// A charge and what came of it.
#[derive(Debug, Clone)]
pub struct Charge {
    pub id: CommandId,
    /// What is to be added.
    pub amount: Won,
    /// How far it is.
    pub status: ChargeStatus,
    /// Whether it is paid by card; if not, the shop vouches for it.
    pub is_by_card: bool,
    /// The balance after it, once that is decided.
    pub balance: Option<Won>,
    /// Why nothing was taken.
    pub decline_reason: Option<String>,
}

struct RawCharge {
    id: Uuid,
    amount_won: i64,
    status: ChargeStatus,
    payment_key: Option<String>,
    balance_won: Option<i64>,
    decline_reason: Option<String>,
}

impl From<RawCharge> for Charge {
    fn from(row: RawCharge) -> Self {
        Self {
            id: CommandId(row.id),
            amount: Won(row.amount_won),
            status: row.status,
            is_by_card: row.payment_key.is_some() || row.status == ChargeStatus::Open,
            balance: row.balance_won.map(Won),
            decline_reason: row.decline_reason,
        }
    }
}

/// A charge of this customer's purse.
pub async fn find(
    conn: &mut PgConnection,
    id: CommandId,
    customer: &CustomerId,
    purse: Purse,
) -> sqlx::Result<Option<Charge>> {
    let row = sqlx::query_as!(
        RawCharge,
        r#"SELECT id, amount_won, status AS "status: ChargeStatus", payment_key, balance_won, decline_reason
             FROM charges WHERE id = $1 AND customer_id = $2 AND account = $3::text::ledger_account"#,
        id.0,
        customer.as_str(),
        purse.account().name(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Charge::from))
}

/// Fills a purse, once per id, if the shop vouches for it. Returns the charge, and whether this very call made it. Run it
/// in a transaction.
pub async fn charge(
    conn: &mut PgConnection,
    id: CommandId,
    customer: &CustomerId,
    purse: Purse,
    amount: Won,
) -> sqlx::Result<(Charge, bool)> {
    let fill = lock(conn, customer, purse).await?;
    if let Some(earlier) = find(conn, id, customer, purse).await? {
        return Ok((earlier, false));
    }
    let (status, balance) = if fill.takes(amount, purse.limit()) {
        (ChargeStatus::Posted, Won(fill.balance.0 + amount.0))
    } else {
        (ChargeStatus::Refused, fill.balance)
    };
    let written = sqlx::query!(
        "INSERT INTO charges (id, account, customer_id, amount_won, status, balance_won)
         VALUES ($1, $2::text::ledger_account, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
        id.0,
        purse.account().name(),
        customer.as_str(),
        amount.0,
        status as ChargeStatus,
        balance.0,
    )
    .execute(&mut *conn)
    .await?;
    if written.rows_affected() == 0 {
        // Placing a charge by card locks no purse, and one of the same key came between.
        let earlier = find(conn, id, customer, purse).await?.ok_or(sqlx::Error::RowNotFound)?;
        return Ok((earlier, false));
    }
    if status == ChargeStatus::Posted {
        let entries = crate::domain::ledger::charge(purse, purse.source(), amount);
        let customer_id = customer.as_str().to_owned();
        ledger::post(conn, &[Posting { transaction: id, phase: Phase::Posted, customer_id, entries }])
            .await?;
    }
    let (balance, decline_reason) = (Some(balance), None);
    Ok((Charge { id, amount, status, is_by_card: false, balance, decline_reason }, true))
}

/// Makes sure that a purse exists, and locks it: equal and different keys of one customer take turns. Returns how full it is.
pub async fn lock(conn: &mut PgConnection, customer: &CustomerId, purse: Purse) -> sqlx::Result<Fill> {
    let account = purse.account().name();
    sqlx::query!(
        "INSERT INTO balances (customer_id, account, amount_won) VALUES ($1, $2::text::ledger_account, 0)
         ON CONFLICT (customer_id, account) DO NOTHING",
        customer.as_str(),
        account,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "SELECT FROM balances WHERE customer_id = $1 AND account = $2::text::ledger_account FOR NO KEY UPDATE",
        customer.as_str(),
        account,
    )
    .execute(&mut *conn)
    .await?;
    let filled = fills(conn, &[customer.as_str().to_owned()], purse).await?;
    Ok(filled.into_values().next().unwrap_or_default())
}

/// How full the purses of these customers are. Lock them first.
pub async fn fills(
    conn: &mut PgConnection,
    customers: &[String],
    purse: Purse,
) -> sqlx::Result<HashMap<String, Fill>> {
    let rows = sqlx::query!(
        r#"SELECT wanted.customer_id AS "customer_id!",
                  (SELECT amount_won FROM balances b
                    WHERE b.customer_id = wanted.customer_id AND b.account = $2::text::ledger_account) AS balance,
                  (SELECT amount_won FROM balances b
                    WHERE b.customer_id = wanted.customer_id AND b.account = $3::text::ledger_account) AS reserved,
                  (SELECT sum(amount_won)::bigint FROM charges c
                    WHERE c.customer_id = wanted.customer_id AND c.account = $2::text::ledger_account
                      AND c.status IN ('requesting', 'unknown')) AS incoming
             FROM unnest($1::text[]) AS wanted (customer_id)"#,
        customers,
        purse.account().name(),
        purse.reserved().name(),
    )
    .fetch_all(conn)
    .await?;
    let won = |amount: Option<i64>| Won(amount.unwrap_or(0));
    Ok(rows
        .into_iter()
        .map(|row| {
            let (balance, reserved) = (won(row.balance), won(row.reserved));
            (row.customer_id, Fill { balance, reserved, incoming: won(row.incoming) })
        })
        .collect())
}

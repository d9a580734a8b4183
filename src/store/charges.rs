//! Charges: what fills customers' purses.

use sqlx::PgConnection;

use super::ledger::{self, Posting};
use crate::domain::ids::{CommandId, CustomerId};
use crate::domain::ledger::{Phase, Purse};
use crate::domain::money::Won;

/// `charge_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "charge_status", rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The amount is in the purse.
    Posted,
    /// The purse would have held too much.
    Refused,
}

/// A charge and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Charge {
    /// What was to be added.
    pub amount: Won,
    /// Whether it was.
    pub status: ChargeStatus,
    /// The balance after it.
    pub balance: Won,
    /// Whether this very call made it, or an earlier one with the same key.
    pub is_new: bool,
}

/// Fills a purse, once per id. Run it in a transaction.
pub async fn charge(
    conn: &mut PgConnection,
    id: CommandId,
    customer: &CustomerId,
    purse: Purse,
    amount: Won,
) -> sqlx::Result<Charge> {
    let before = open(conn, customer, purse).await?;
    if let Some(earlier) = find(conn, id).await? {
        return Ok(earlier);
    }
    // What a payment has set aside comes back when it is declined.
    let reserved = ledger::balance(conn, customer.as_str(), purse.reserved()).await?;
    let full = before.plus(reserved).and_then(|held| held.plus(amount));
    let fits = full.is_some_and(|full| full <= purse.limit());
    let (status, balance) =
        if fits { (ChargeStatus::Posted, Won(before.0 + amount.0)) } else { (ChargeStatus::Refused, before) };
    sqlx::query!(
        "INSERT INTO charges (id, account, customer_id, amount_won, status, balance_won)
         VALUES ($1, $2::text::ledger_account, $3, $4, $5, $6)",
        id.0,
        purse.account().name(),
        customer.as_str(),
        amount.0,
        status as ChargeStatus,
        balance.0,
    )
    .execute(&mut *conn)
    .await?;
    if fits {
        let entries = crate::domain::ledger::charge(purse, purse.source(), amount);
        let customer_id = customer.as_str().to_owned();
        ledger::post(conn, &[Posting { transaction: id, phase: Phase::Posted, customer_id, entries }])
            .await?;
    }
    Ok(Charge { amount, status, balance, is_new: true })
}

/// Makes sure that a purse exists, and locks it: equal and different keys of one customer take turns.
async fn open(conn: &mut PgConnection, customer: &CustomerId, purse: Purse) -> sqlx::Result<Won> {
    let account = purse.account().name();
    sqlx::query!(
        "INSERT INTO balances (customer_id, account, amount_won) VALUES ($1, $2::text::ledger_account, 0)
         ON CONFLICT (customer_id, account) DO NOTHING",
        customer.as_str(),
        account,
    )
    .execute(&mut *conn)
    .await?;
    let amount = sqlx::query_scalar!(
        "SELECT amount_won FROM balances WHERE customer_id = $1 AND account = $2::text::ledger_account
           FOR NO KEY UPDATE",
        customer.as_str(),
        account,
    )
    .fetch_one(conn)
    .await?;
    Ok(Won(amount))
}

async fn find(conn: &mut PgConnection, id: CommandId) -> sqlx::Result<Option<Charge>> {
    let row = sqlx::query!(
        r#"SELECT amount_won, status AS "status: ChargeStatus", balance_won FROM charges WHERE id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Charge {
        amount: Won(row.amount_won),
        status: row.status,
        balance: Won(row.balance_won),
        is_new: false,
    }))
}

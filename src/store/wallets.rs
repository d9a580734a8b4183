//! Wallets: balances, charges and their double-entry ledger.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::{CommandId, CustomerId};
use crate::domain::money::Won;
use crate::domain::payment::MAX_WALLET_BALANCE;

/// `wallet_charge_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "wallet_charge_status", rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The amount is in the wallet.
    Posted,
    /// The wallet would have held too much.
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

/// A customer's balance; a wallet that was never used is empty.
pub async fn balance(conn: &mut PgConnection, customer: &CustomerId) -> sqlx::Result<Won> {
    let balance =
        sqlx::query_scalar!("SELECT balance_won FROM wallets WHERE customer_id = $1", customer.as_str())
            .fetch_optional(conn)
            .await?;
    Ok(Won(balance.unwrap_or(0)))
}

/// Adds to a wallet, once per id. Run it in a transaction.
pub async fn charge(
    conn: &mut PgConnection,
    id: CommandId,
    customer: &CustomerId,
    amount: Won,
) -> sqlx::Result<Charge> {
    // The wallet's row is the lock under which equal and different keys of one customer take turns.
    sqlx::query!(
        "INSERT INTO wallets (customer_id) VALUES ($1) ON CONFLICT (customer_id) DO NOTHING",
        customer.as_str()
    )
    .execute(&mut *conn)
    .await?;
    let before = sqlx::query_scalar!(
        "SELECT balance_won FROM wallets WHERE customer_id = $1 FOR UPDATE",
        customer.as_str()
    )
    .fetch_one(&mut *conn)
    .await?;
    let earlier = sqlx::query!(
        r#"SELECT amount_won, status AS "status: ChargeStatus", balance_won FROM wallet_charges WHERE id = $1"#,
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = earlier {
        let (amount, balance) = (Won(row.amount_won), Won(row.balance_won));
        return Ok(Charge { amount, status: row.status, balance, is_new: false });
    }

    let after = Won(before).plus(amount).filter(|balance| *balance <= MAX_WALLET_BALANCE);
    let status = if after.is_some() { ChargeStatus::Posted } else { ChargeStatus::Refused };
    let balance = after.unwrap_or(Won(before));
    sqlx::query!(
        "INSERT INTO wallet_charges (id, customer_id, amount_won, status, balance_won) VALUES ($1, $2, $3, $4, $5)",
        id.0,
        customer.as_str(),
        amount.0,
        status as ChargeStatus,
        balance.0,
    )
    .execute(&mut *conn)
    .await?;
    if after.is_some() {
        sqlx::query!(
            "UPDATE wallets SET balance_won = $2 WHERE customer_id = $1",
            customer.as_str(),
            balance.0
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "INSERT INTO ledger_entries (transaction_id, account, customer_id, amount_won)
             VALUES ($1, 'wallet', $2, $3), ($1, 'funding', NULL, -$3)",
            id.0,
            customer.as_str(),
            amount.0,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(Charge { amount, status, balance, is_new: true })
}

/// The balances of these customers, locked in order until the transaction ends.
pub async fn lock(conn: &mut PgConnection, customers: &[String]) -> sqlx::Result<BTreeMap<String, Won>> {
    let rows = sqlx::query!(
        "SELECT customer_id, balance_won FROM wallets WHERE customer_id = ANY($1)
          ORDER BY customer_id FOR NO KEY UPDATE",
        customers
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.customer_id, Won(row.balance_won))).collect())
}

/// An amount that goes from a wallet to the shop.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// The payment it belongs to.
    pub payment: CommandId,
    /// Whose wallet.
    pub customer_id: String,
    /// How much.
    pub amount: Won,
}

/// Takes amounts from locked wallets and writes both sides of each down.
pub async fn withdraw(conn: &mut PgConnection, withdrawals: &[Withdrawal]) -> sqlx::Result<()> {
    // A free order moves no money.
    let moved: Vec<&Withdrawal> =
        withdrawals.iter().filter(|withdrawal| withdrawal.amount > Won(0)).collect();
    let payments: Vec<Uuid> = moved.iter().map(|withdrawal| withdrawal.payment.0).collect();
    let customers: Vec<String> = moved.iter().map(|withdrawal| withdrawal.customer_id.clone()).collect();
    let amounts: Vec<i64> = moved.iter().map(|withdrawal| withdrawal.amount.0).collect();
    sqlx::query!(
        "WITH taken AS (
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS t (payment_id, customer_id, amount_won)
         ), balances AS (
             UPDATE wallets SET balance_won = balance_won - total.amount_won
               FROM (SELECT customer_id, sum(amount_won)::bigint AS amount_won FROM taken GROUP BY 1) AS total
              WHERE wallets.customer_id = total.customer_id
         )
         INSERT INTO ledger_entries (transaction_id, account, customer_id, amount_won)
         SELECT payment_id, 'wallet'::ledger_account, customer_id, -amount_won FROM taken
         UNION ALL
         SELECT payment_id, 'sales', NULL, amount_won FROM taken",
        &payments,
        &customers,
        &amounts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

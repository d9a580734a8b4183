//! The ledger: what moved between accounts, and what customers have by it.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::CommandId;
use crate::domain::ledger::{Account, LedgerEntry, Phase};
use crate::domain::money::Won;
use crate::domain::payment::Purses;

/// What one phase of a transaction moves.
#[derive(Debug, Clone)]
pub struct Posting {
    /// The charge, payment or refund it belongs to.
    pub transaction: CommandId,
    /// Which step of it.
    pub phase: Phase,
    /// Whose purses it touches.
    pub customer_id: String,
    /// The amounts; together nothing.
    pub entries: Vec<LedgerEntry>,
}

/// What these customers can spend, locked in order until the transaction ends. Who never had anything is missing.
pub async fn lock_purses(
    conn: &mut PgConnection,
    customers: &[String],
) -> sqlx::Result<HashMap<String, Purses>> {
    let rows = sqlx::query!(
        r#"SELECT customer_id, account = 'points' AS "points!", amount_won FROM balances
            WHERE customer_id = ANY($1) AND account = ANY('{wallet,points}'::ledger_account[])
            ORDER BY customer_id, account FOR NO KEY UPDATE"#,
        customers
    )
    .fetch_all(conn)
    .await?;
    let mut purses: HashMap<String, Purses> = HashMap::new();
    for row in rows {
        let of_customer = purses.entry(row.customer_id).or_default();
        *(if row.points { &mut of_customer.points } else { &mut of_customer.wallet }) = Won(row.amount_won);
    }
    Ok(purses)
}

/// What a customer has in an account.
pub async fn balance(conn: &mut PgConnection, customer: &str, account: Account) -> sqlx::Result<Won> {
    let amount = sqlx::query_scalar!(
        "SELECT amount_won FROM balances WHERE customer_id = $1 AND account = $2::text::ledger_account",
        customer,
        account.name(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(Won(amount.unwrap_or(0)))
}

/// Writes postings down and changes the balances of customers by them. Lock the purses first.
pub async fn post(conn: &mut PgConnection, postings: &[Posting]) -> sqlx::Result<()> {
    let columns = Columns::from(postings);
    if columns.amounts.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO ledger_entries (transaction_id, phase, account, customer_id, amount_won)
         SELECT id, phase::ledger_phase, account::ledger_account, customer_id, amount_won
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[])
             AS new (id, phase, account, customer_id, amount_won)",
        &columns.transactions,
        &columns.phases as &[&str],
        &columns.accounts as &[&str],
        &columns.customers as &[Option<&str>],
        &columns.amounts,
    )
    .execute(&mut *conn)
    .await?;
    // An INSERT … ON CONFLICT would check the amount that is taken away as if it were a balance.
    sqlx::query!(
        "MERGE INTO balances USING (
             SELECT customer_id, account::ledger_account AS account, sum(amount_won)::bigint AS amount_won
               FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new (account, customer_id, amount_won)
              WHERE customer_id IS NOT NULL GROUP BY 1, 2) AS moved
            ON balances.customer_id = moved.customer_id AND balances.account = moved.account
          WHEN MATCHED THEN UPDATE SET amount_won = balances.amount_won + moved.amount_won
          WHEN NOT MATCHED THEN INSERT (customer_id, account, amount_won)
               VALUES (moved.customer_id, moved.account, moved.amount_won)",
        &columns.accounts as &[&str],
        &columns.customers as &[Option<&str>],
        &columns.amounts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(Default)]
struct Columns<'a> {
    transactions: Vec<Uuid>,
    phases: Vec<&'static str>,
    accounts: Vec<&'static str>,
    customers: Vec<Option<&'a str>>,
    amounts: Vec<i64>,
}

impl<'a> From<&'a [Posting]> for Columns<'a> {
    fn from(postings: &'a [Posting]) -> Self {
        let mut columns = Self::default();
        for posting in postings {
            // Parts of a payment that are nothing move nothing.
            for (account, amount) in posting.entries.iter().filter(|(_, amount)| *amount != Won(0)) {
                columns.transactions.push(posting.transaction.0);
                columns.phases.push(posting.phase.name());
                columns.accounts.push(account.name());
                columns.customers.push(account.is_a_customers().then_some(posting.customer_id.as_str()));
                columns.amounts.push(amount.0);
            }
        }
        columns
    }
}

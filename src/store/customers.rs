//! Customers: how they are reached, and what they have bought.

use sqlx::PgConnection;

use crate::domain::contact::EmailAddress;
use crate::domain::ids::CustomerId;

/// What is known about a customer; of one nobody has heard of, nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Where to write to.
    pub email: Option<String>,
    /// Paid orders that were not refunded wholly.
    pub order_count: i64,
    /// What was paid for all orders.
    pub paid_won: i64,
    /// What was given back of it.
    pub refunded_won: i64,
}

pub async fn find(conn: &mut PgConnection, customer: &CustomerId) -> sqlx::Result<Customer> {
    sqlx::query_as!(
        Customer,
        r#"SELECT (SELECT email FROM customer_contacts WHERE customer_id = $1) AS email,
                  coalesce(max(order_count), 0) AS "order_count!", coalesce(max(paid_won), 0) AS "paid_won!",
                  coalesce(max(refunded_won), 0) AS "refunded_won!"
             FROM customer_totals WHERE customer_id = $1"#,
        customer.as_str(),
    )
    .fetch_one(conn)
    .await
}

/// Sets where to write to; without an address, forgets it.
pub async fn set_email(
    conn: &mut PgConnection,
    customer: &CustomerId,
    email: Option<&EmailAddress>,
) -> sqlx::Result<()> {
    match email {
        Some(email) => {
            sqlx::query!(
                "INSERT INTO customer_contacts (customer_id, email) VALUES ($1, $2)
                 ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email, updated_at = now()",
                customer.as_str(),
                email.as_str(),
            )
            .execute(conn)
            .await?
        }
        None => {
            sqlx::query!("DELETE FROM customer_contacts WHERE customer_id = $1", customer.as_str())
                .execute(conn)
                .await?
        }
    };
    Ok(())
}

/// Sets where to write to, unless that is known.
pub async fn set_first_email(
    conn: &mut PgConnection,
    customer: &CustomerId,
    email: &EmailAddress,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO customer_contacts (customer_id, email) VALUES ($1, $2)
         ON CONFLICT (customer_id) DO NOTHING",
        customer.as_str(),
        email.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

//! Sessions of customers, known by the hash of their token only; what was good for one once; and whose address is whose.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::contact::EmailAddress;
use crate::domain::ids::CustomerId;

/// How long a session lasts: 30 days.
const SESSION_SECONDS: i32 = 30 * 24 * 60 * 60;
/// Sessions of one customer; the ones that would end first give way.
const OF_ONE_CUSTOMER: i64 = 20;
/// So many give way at once.
const GIVE_WAY_AT_ONCE: i64 = 1_000;

/// Spends what is good once, by its hash, until PostgreSQL's clock says that it is good no more. Returns whether it was good.
pub async fn spend(conn: &mut PgConnection, id: &[u8], expires_at: DateTime<Utc>) -> sqlx::Result<bool> {
    let spent = sqlx::query!(
        "INSERT INTO spent_sign_ins (id, expires_at) SELECT $1, $2 WHERE $2::timestamptz > now()
         ON CONFLICT (id) DO NOTHING",
        id,
        expires_at,
    )
    .execute(conn)
    .await?;
    Ok(spent.rows_affected() == 1)
}

/// The customer of an address: `new` if it is nobody's yet. Returns whether that is so.
pub async fn customer_of(
    conn: &mut PgConnection,
    email: &EmailAddress,
    new: CustomerId,
) -> sqlx::Result<(CustomerId, bool)> {
    let made = sqlx::query!(
        "INSERT INTO customer_addresses (email, customer_id) VALUES ($1, $2) ON CONFLICT (email) DO NOTHING",
        email.as_str(),
        new.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    if made.rows_affected() == 1 {
        return Ok((new, true));
    }
    // Whoever made it has committed: the insertion waited for them.
    let known =
        sqlx::query_scalar!("SELECT customer_id FROM customer_addresses WHERE email = $1", email.as_str())
            .fetch_one(conn)
            .await?;
    Ok((super::decoded(CustomerId::parse(known))?, false))
}

/// Begins a session. Returns when it ends.
pub async fn begin(
    conn: &mut PgConnection,
    customer: &CustomerId,
    secret_hash: &[u8],
) -> sqlx::Result<DateTime<Utc>> {
    let expires_at = sqlx::query_scalar!(
        "INSERT INTO customer_sessions (secret_hash, customer_id, expires_at)
         VALUES ($1, $2, now() + make_interval(secs => $3::integer)) RETURNING expires_at",
        secret_hash,
        customer.as_str(),
        SESSION_SECONDS,
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM customer_sessions WHERE secret_hash = ANY(ARRAY(
             SELECT secret_hash FROM customer_sessions WHERE customer_id = $1
              ORDER BY expires_at DESC OFFSET $2 LIMIT $3))",
        customer.as_str(),
        OF_ONE_CUSTOMER,
        GIVE_WAY_AT_ONCE,
    )
    .execute(conn)
    .await?;
    Ok(expires_at)
}

/// Ends a session. Returns whether there was one.
pub async fn end(conn: &mut PgConnection, secret_hash: &[u8]) -> sqlx::Result<bool> {
    let ended = sqlx::query!("DELETE FROM customer_sessions WHERE secret_hash = $1", secret_hash);
    Ok(ended.execute(conn).await?.rows_affected() == 1)
}

/// Removes at most `at_most` sessions that are over. Returns how many.
pub async fn remove_ended(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"WITH ended AS MATERIALIZED (
               SELECT secret_hash FROM customer_sessions WHERE expires_at < now()
                ORDER BY expires_at LIMIT $1 FOR UPDATE
           ), removed AS (
               DELETE FROM customer_sessions USING ended WHERE customer_sessions.secret_hash = ended.secret_hash
           )
           SELECT count(*) AS "count!" FROM ended"#,
        at_most,
    )
    .fetch_one(conn)
    .await
}

/// Removes at most `at_most` of what was spent and is no good any more. Returns how many.
pub async fn remove_spent(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"WITH over AS MATERIALIZED (
               SELECT id FROM spent_sign_ins WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE
           ), removed AS (
               DELETE FROM spent_sign_ins USING over WHERE spent_sign_ins.id = over.id
           )
           SELECT count(*) AS "count!" FROM over"#,
        at_most,
    )
    .fetch_one(conn)
    .await
}

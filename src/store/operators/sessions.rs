//! Sessions of the console, known by the hash of their secret only.

use sqlx::PgConnection;

use super::tokens::{Role, Token};

/// Sessions of one token; the ones that would end first give way.
const OF_ONE_TOKEN: i64 = 50;
/// So many give way at once.
const GIVE_WAY_AT_ONCE: i64 = 1_000;

/// Begins a session of a live token for `seconds`. Returns whether there is such a token.
pub async fn begin(
    conn: &mut PgConnection,
    token_hash: &[u8],
    secret_hash: &[u8],
    seconds: i32,
) -> sqlx::Result<bool> {
    let begun = sqlx::query!(
        "INSERT INTO sessions (secret_hash, token_id, expires_at)
         SELECT $2, id, now() + make_interval(secs => $3::integer)
           FROM tokens WHERE token_hash = $1 AND revoked_at IS NULL",
        token_hash,
        secret_hash,
        seconds,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM sessions WHERE secret_hash = ANY(ARRAY(
             SELECT s.secret_hash FROM sessions s JOIN tokens t ON t.id = s.token_id WHERE t.token_hash = $1
              ORDER BY s.expires_at DESC OFFSET $2 LIMIT $3))",
        token_hash,
        OF_ONE_TOKEN,
        GIVE_WAY_AT_ONCE,
    )
    .execute(conn)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// The live token of a session that is not over.
pub async fn find(conn: &mut PgConnection, secret_hash: &[u8]) -> sqlx::Result<Option<Token>> {
    sqlx::query_as!(
        Token,
        r#"SELECT tokens.name, tokens.role AS "role: Role", tokens.customer_id
             FROM sessions JOIN tokens ON tokens.id = sessions.token_id
            WHERE sessions.secret_hash = $1 AND sessions.expires_at > now() AND tokens.revoked_at IS NULL"#,
        secret_hash,
    )
    .fetch_optional(conn)
    .await
}

pub async fn end(conn: &mut PgConnection, secret_hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM sessions WHERE secret_hash = $1", secret_hash).execute(conn).await?;
    Ok(())
}

/// Removes at most `at_most` sessions that are over. Returns how many.
pub async fn remove_ended(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"WITH ended AS MATERIALIZED (
               SELECT secret_hash FROM sessions WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE
           ), removed AS (
               DELETE FROM sessions USING ended WHERE sessions.secret_hash = ended.secret_hash
           )
           SELECT count(*) AS "count!" FROM ended"#,
        at_most,
    )
    .fetch_one(conn)
    .await
}

//! Sessions of the console, known by the hash of their secret only.

use sqlx::PgConnection;

use super::tokens::{Role, Token};

/// Begins a session of a live token for `seconds`, and forgets sessions that are over. Returns whether there is such a
/// token.
pub async fn begin(
    conn: &mut PgConnection,
    token_hash: &[u8],
    secret_hash: &[u8],
    seconds: i32,
) -> sqlx::Result<bool> {
    sqlx::query!("DELETE FROM sessions WHERE expires_at < now()").execute(&mut *conn).await?;
    let begun = sqlx::query!(
        "INSERT INTO sessions (secret_hash, token_id, expires_at)
         SELECT $2, id, now() + make_interval(secs => $3::integer)
           FROM tokens WHERE token_hash = $1 AND revoked_at IS NULL",
        token_hash,
        secret_hash,
        seconds,
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

/// Ends a session.
pub async fn end(conn: &mut PgConnection, secret_hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM sessions WHERE secret_hash = $1", secret_hash).execute(conn).await?;
    Ok(())
}

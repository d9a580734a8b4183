//! The secret that cursors of lists are sealed with.

use sqlx::PgConnection;

/// What all API processes know and nobody else.
pub async fn read(conn: &mut PgConnection) -> sqlx::Result<Vec<u8>> {
    sqlx::query_scalar!("SELECT key FROM cursor_key").fetch_one(conn).await
}

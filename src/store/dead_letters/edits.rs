//! Changed copies of dead letters, sent in their place.

use sqlx::PgConnection;
use uuid::Uuid;

/// What was sent in a dead letter's place.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Replacement {
    /// The id of the message.
    pub message_id: String,
    /// Its exact bytes.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// The dead letter that it became, if it died in its turn.
    pub dead_letter_id: Option<Uuid>,
}

/// A changed copy to write down.
#[derive(Debug, Clone, Copy)]
pub struct NewEdit<'a> {
    /// The dead letter that was changed.
    pub dead_letter_id: Uuid,
    /// Where the copy goes.
    pub queue: &'a str,
    /// Its own message id.
    pub message_id: &'a str,
    pub body: &'a [u8],
}

/// Writes a changed copy down.
pub async fn insert(conn: &mut PgConnection, edit: NewEdit<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO dead_letter_edits (dead_letter_id, queue, message_id, body) VALUES ($1, $2, $3, $4)",
        edit.dead_letter_id,
        edit.queue,
        edit.message_id,
        edit.body,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was sent in the place of a dead letter the last time.
pub async fn replacement(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Replacement>> {
    sqlx::query_as!(
        Replacement,
        r#"SELECT edits.message_id, edits.body, letters.id AS "dead_letter_id?"
             FROM dead_letter_edits AS edits
             LEFT JOIN dead_letters AS letters
               ON letters.queue = edits.queue AND letters.message_id = edits.message_id
              AND sha256(letters.body) = sha256(edits.body)
            WHERE edits.dead_letter_id = $1 ORDER BY edits.created_at DESC LIMIT 1"#,
        id,
    )
    .fetch_optional(conn)
    .await
}

/// The dead letter in whose place a message was sent. Another message under its id is none.
pub async fn original(
    conn: &mut PgConnection,
    queue: &str,
    message_id: &str,
    body: &[u8],
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "SELECT dead_letter_id FROM dead_letter_edits WHERE queue = $1 AND message_id = $2 AND body = $3",
        queue,
        message_id,
        body,
    )
    .fetch_optional(conn)
    .await
}

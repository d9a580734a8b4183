//! Dead letters and what was done to them.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::operator_actions::{self, Act, NewAction};
use crate::domain::ids::OrderId;

/// `dead_letter_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, clap::ValueEnum)]
#[sqlx(type_name = "dead_letter_status", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterStatus {
    /// Waits for a person.
    Open,
    /// Went back to its queue.
    Replayed,
    /// Given up, with a reason.
    Discarded,
}

/// A message to set aside. Texts must be free of NUL, which PostgreSQL refuses.
#[derive(Debug, Clone)]
pub struct NewDeadLetter {
    /// The message's id, or one made from its content.
    pub message_id: String,
    /// Where it died.
    pub queue: String,
    /// Its `type` property.
    pub message_type: String,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// What kind of error.
    pub error_class: String,
    /// The error in words.
    pub error_text: String,
    /// How often it was tried.
    pub attempts: i32,
    /// How often it was replayed.
    pub replay_count: i32,
    /// Its exact bytes.
    pub body: Vec<u8>,
    /// Its headers.
    pub headers: Value,
}

/// A message that was set aside.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeadLetter {
    /// Its own id.
    pub id: Uuid,
    /// The message's id.
    pub message_id: String,
    /// Where it died.
    pub queue: String,
    /// What became of it.
    pub status: DeadLetterStatus,
    /// The message's type.
    pub message_type: String,
    /// The order it is about.
    pub order_id: Option<Uuid>,
    /// What kind of error.
    pub error_class: String,
    /// The error in words.
    pub error_text: String,
    /// How often it was tried the last time.
    pub attempts: i32,
    /// Its exact bytes.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// Its headers.
    pub headers: Value,
    /// How often it died.
    pub death_count: i32,
    /// How often it was replayed.
    pub replay_count: i32,
    /// When it first died.
    pub first_died_at: DateTime<Utc>,
    /// When it last died.
    pub last_died_at: DateTime<Utc>,
}

/// Sets messages aside. One that died before is opened again; one that is open already is a second copy of the
/// same death.
pub async fn collect(conn: &mut PgConnection, letters: &[NewDeadLetter]) -> sqlx::Result<()> {
    for letter in letters {
        sqlx::query!(
            "INSERT INTO dead_letters (id, message_id, queue, message_type, order_id, error_class, error_text,
                                       attempts, replay_count, body, headers)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (queue, message_id) DO UPDATE
                SET status = 'open', error_class = excluded.error_class, error_text = excluded.error_text,
                    attempts = excluded.attempts, body = excluded.body, headers = excluded.headers,
                    death_count = dead_letters.death_count + 1, last_died_at = now()
              WHERE dead_letters.status <> 'open'",
            Uuid::now_v7(),
            letter.message_id,
            letter.queue,
            letter.message_type,
            letter.order_id.map(OrderId::uuid),
            letter.error_class,
            letter.error_text,
            letter.attempts,
            letter.replay_count,
            letter.body,
            letter.headers,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Dead letters, those that died last first.
pub async fn list(
    conn: &mut PgConnection,
    status: Option<DeadLetterStatus>,
    queue: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT id, message_id, queue, status AS "status: DeadLetterStatus", message_type, order_id, error_class,
                  error_text, attempts, body, headers, death_count, replay_count, first_died_at, last_died_at
             FROM dead_letters
            WHERE ($1::dead_letter_status IS NULL OR status = $1) AND ($2::text IS NULL OR queue = $2)
            ORDER BY last_died_at DESC, id LIMIT $3"#,
        status as Option<DeadLetterStatus>,
        queue,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// One dead letter, locked until the transaction ends.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT id, message_id, queue, status AS "status: DeadLetterStatus", message_type, order_id, error_class,
                  error_text, attempts, body, headers, death_count, replay_count, first_died_at, last_died_at
             FROM dead_letters WHERE id = $1 FOR UPDATE"#,
        id,
    )
    .fetch_optional(conn)
    .await
}

/// What an operator did to a dead letter.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// Which dead letter.
    pub id: Uuid,
    /// What it becomes.
    pub becomes: DeadLetterStatus,
    /// Who did it.
    pub actor: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
}

/// Changes a locked dead letter and writes down who did it.
pub async fn act(conn: &mut PgConnection, action: Action<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE dead_letters
            SET status = $2,
                replay_count = replay_count + CASE WHEN $2 = 'replayed'::dead_letter_status THEN 1 ELSE 0 END
          WHERE id = $1",
        action.id,
        action.becomes as DeadLetterStatus,
    )
    .execute(&mut *conn)
    .await?;
    let act = match action.becomes {
        DeadLetterStatus::Open => Act::DeadLetterRestore,
        DeadLetterStatus::Replayed => Act::DeadLetterReplay,
        DeadLetterStatus::Discarded => Act::DeadLetterDiscard,
    };
    let written = NewAction {
        actor: action.actor,
        act,
        subject: operator_actions::subject("dead_letter", action.id),
        before: None,
        after: None,
        reason: action.reason,
    };
    operator_actions::append(conn, &[written]).await
}

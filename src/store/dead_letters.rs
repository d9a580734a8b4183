//! Dead letters: how they are collected, and one of them with its story.

pub mod edits;
pub mod filter;
pub mod lists;
pub mod replays;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::OrderId;

/// `dead_letter_status` of the schema.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[sqlx(type_name = "dead_letter_status", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterStatus {
    /// Waits for a person.
    Open,
    /// Went back to its queue.
    Replayed,
    /// Given up, with a reason.
    Discarded,
    /// A changed copy went to its queue instead.
    Replaced,
}

impl DeadLetterStatus {
    /// As it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
            Self::Replaced => "replaced",
        }
    }
}

/// A message to set aside. Texts must be free of NUL, which PostgreSQL refuses.
#[derive(Debug, Clone)]
pub struct NewDeadLetter {
    /// The message's id, or one made from its content.
    pub message_id: String,
    pub queue: String,
    pub message_type: String,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// The customer its body names; that of its order if it names none.
    pub customer_id: Option<String>,
    /// The SKUs its body names; those of its order if it names none.
    pub skus: Vec<String>,
    /// What kind of error.
    pub error_class: String,
    /// The error in words.
    pub error_text: String,
    /// How often it was tried.
    pub attempts: i32,
    /// How often it was replayed.
    pub replay_count: i32,
    pub body: Vec<u8>,
    pub headers: Value,
}

/// A message that was set aside.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DeadLetter {
    pub id: Uuid,
    pub message_id: String,
    pub queue: String,
    /// What became of it.
    pub status: DeadLetterStatus,
    pub message_type: String,
    /// The order it is about.
    pub order_id: Option<Uuid>,
    /// The customer it is about.
    pub customer_id: Option<String>,
    /// The SKUs it is about.
    pub skus: Vec<String>,
    /// What kind of error.
    pub error_class: String,
    /// The error in words.
    pub error_text: String,
    /// How often it was tried the last time.
    pub attempts: i32,
    pub body: Vec<u8>,
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
/// same death. A message is known by queue, id and body: nobody keeps strangers from giving two messages one id. No two
/// of these may be of one queue, id and body.
pub async fn collect(conn: &mut PgConnection, letters: &[NewDeadLetter]) -> sqlx::Result<()> {
    let column = |text: fn(&NewDeadLetter) -> &str| -> Vec<&str> { letters.iter().map(text).collect() };
    let number = |number: fn(&NewDeadLetter) -> i32| -> Vec<i32> { letters.iter().map(number).collect() };
    let ids: Vec<Uuid> = letters.iter().map(|_| Uuid::now_v7()).collect();
    let orders: Vec<_> = letters.iter().map(|letter| letter.order_id.map(OrderId::uuid)).collect();
    let customers: Vec<_> = letters.iter().map(|letter| letter.customer_id.as_deref()).collect();
    let skus: Vec<Value> = letters.iter().map(|letter| letter.skus.clone().into()).collect();
    let bodies: Vec<&[u8]> = letters.iter().map(|letter| letter.body.as_slice()).collect();
    let headers: Vec<Value> = letters.iter().map(|letter| letter.headers.clone()).collect();
    // Written in the order in which everybody locks them.
    let collected = sqlx::query_scalar!(
        "WITH letters AS (
             SELECT id, message_id, queue, message_type, order_id,
                    coalesce(customer_id, (SELECT customer_id FROM orders WHERE orders.id = order_id)) AS customer_id,
                    CASE WHEN skus <> '[]' THEN ARRAY(SELECT jsonb_array_elements_text(skus))
                         ELSE ARRAY(SELECT sku_code FROM order_items WHERE order_items.order_id = letters.order_id
                                     ORDER BY position) END AS skus,
                    error_class, error_text, attempts, replay_count, body, headers
               FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::jsonb[],
                           $8::text[], $9::text[], $10::int[], $11::int[], $12::bytea[], $13::jsonb[])
                    AS letters (id, message_id, queue, message_type, order_id, customer_id, skus,
                                error_class, error_text, attempts, replay_count, body, headers)
         ), collected AS (
             INSERT INTO dead_letters (id, message_id, queue, message_type, order_id, customer_id, skus,
                                       error_class, error_text, attempts, replay_count, body, headers)
             SELECT * FROM letters ORDER BY queue, message_id, sha256(body)
             ON CONFLICT (queue, message_id, sha256(body)) DO UPDATE
                SET status = 'open', error_class = excluded.error_class, error_text = excluded.error_text,
                    attempts = excluded.attempts, headers = excluded.headers,
                    death_count = dead_letters.death_count + 1, last_died_at = now()
              WHERE dead_letters.status <> 'open'
             RETURNING id, death_count, last_died_at, error_class, error_text, attempts
         )
         INSERT INTO dead_letter_deaths (dead_letter_id, number, died_at, error_class, error_text, attempts)
         SELECT id, death_count, last_died_at, error_class, error_text, attempts FROM collected
         RETURNING dead_letter_id",
        &ids,
        &column(|letter| &letter.message_id) as &[&str],
        &column(|letter| &letter.queue) as &[&str],
        &column(|letter| &letter.message_type) as &[&str],
        &orders as &[Option<Uuid>],
        &customers as &[Option<&str>],
        &skus,
        &column(|letter| &letter.error_class) as &[&str],
        &column(|letter| &letter.error_text) as &[&str],
        &number(|letter| letter.attempts),
        &number(|letter| letter.replay_count),
        &bodies as &[&[u8]],
        &headers,
    )
    .fetch_all(&mut *conn)
    .await?;
    // A statement of its own: what a replay has committed while the one above waited for it is seen only here.
    sqlx::query!(
        "UPDATE replay_items SET died_again_at = now()
          WHERE dead_letter_id = ANY($1) AND outcome = 'replayed' AND died_again_at IS NULL",
        &collected,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT id, message_id, queue, status AS "status: DeadLetterStatus", message_type, order_id, customer_id,
                  skus, error_class, error_text, attempts, body, headers, death_count, replay_count, first_died_at,
                  last_died_at
             FROM dead_letters WHERE id = $1"#,
        id,
    )
    .fetch_optional(conn)
    .await
}

/// Dead letters, locked until the transaction ends.
pub async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT id, message_id, queue, status AS "status: DeadLetterStatus", message_type, order_id, customer_id,
                  skus, error_class, error_text, attempts, body, headers, death_count, replay_count, first_died_at,
                  last_died_at
             FROM dead_letters WHERE id = ANY($1) ORDER BY queue, message_id, sha256(body) FOR UPDATE"#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// Marks locked dead letters. A replayed one counts one replay more.
pub async fn mark(conn: &mut PgConnection, ids: &[Uuid], becomes: DeadLetterStatus) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE dead_letters
            SET status = $2,
                replay_count = replay_count + CASE WHEN $2 = 'replayed'::dead_letter_status THEN 1 ELSE 0 END
          WHERE id = ANY($1)",
        ids,
        becomes as DeadLetterStatus,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The ids of those among these that have a status, locked until the transaction ends.
pub async fn lock_status(
    conn: &mut PgConnection,
    ids: &[Uuid],
    status: DeadLetterStatus,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM dead_letters WHERE id = ANY($1) AND CASE WHEN status = $2 THEN true ELSE false END
           ORDER BY queue, message_id, sha256(body) FOR UPDATE",
        ids,
        status as DeadLetterStatus,
    )
    .fetch_all(conn)
    .await
}

/// How many of these have a status.
pub async fn count_of(conn: &mut PgConnection, ids: &[Uuid], status: DeadLetterStatus) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM dead_letters
            WHERE id = ANY($1) AND CASE WHEN status = $2 THEN true ELSE false END"#,
        ids,
        status as DeadLetterStatus,
    )
    .fetch_one(conn)
    .await
}

/// The ids among these that no dead letter has.
pub async fn unknown(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"SELECT asked.id AS "id!" FROM unnest($1::uuid[]) AS asked (id)
            WHERE NOT EXISTS (SELECT FROM dead_letters WHERE dead_letters.id = asked.id)"#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// One death of a dead letter.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Death {
    /// The how manieth.
    pub number: i32,
    /// When.
    pub died_at: DateTime<Utc>,
    /// What kind of error.
    pub error_class: String,
    /// The error in words.
    pub error_text: String,
    /// How often it was tried before.
    pub attempts: i32,
}

/// The last deaths of a dead letter, the latest first.
pub async fn deaths(conn: &mut PgConnection, id: Uuid, limit: i64) -> sqlx::Result<Vec<Death>> {
    sqlx::query_as!(
        Death,
        "SELECT number, died_at, error_class, error_text, attempts FROM dead_letter_deaths
          WHERE dead_letter_id = $1 ORDER BY number DESC LIMIT $2",
        id,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// What kind of thing the audit log calls a dead letter.
pub const SUBJECT: &str = "dead_letter";

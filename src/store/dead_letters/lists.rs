//! Many dead letters at once: pages, groups, and sets to change. All find them by the same filter, whose shape varies, so
//! these statements are put together when they are asked for.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::filter::DeadLetterFilter;
use super::{DeadLetter, DeadLetterStatus};
use crate::page;

/// Dead letters looked at before a page ends, where an index does not lead to those that fit: a third of what can be read
/// within 100 ms.
pub const SCANNED_AT_ONCE: i64 = 25_000;
/// Groups on one list.
const MAX_GROUPS: i64 = 200;

const SUMMARY: &str = "id, message_id, queue, status, message_type, order_id, customer_id, error_class,
    left(error_text, 300) AS error_text, attempts, death_count, replay_count, first_died_at, last_died_at";
const WHOLE: &str = "id, message_id, queue, status, message_type, order_id, customer_id, skus, error_class,
    error_text, attempts, body, headers, death_count, replay_count, first_died_at, last_died_at";

/// A dead letter on a list.
#[derive(Debug, Clone, sqlx::FromRow, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = DeadLetterSummary)]
pub struct Summary {
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
    /// The customer it is about.
    pub customer_id: Option<String>,
    /// What kind of error.
    pub error_class: String,
    /// The error in words, cut to 300 characters.
    pub error_text: String,
    /// How often it was tried the last time.
    pub attempts: i32,
    /// How often it died.
    pub death_count: i32,
    /// How often it was replayed.
    pub replay_count: i32,
    /// When it first died.
    pub first_died_at: DateTime<Utc>,
    /// When it last died.
    pub last_died_at: DateTime<Utc>,
}

impl Summary {
    /// Whether it died again after it was replayed.
    pub fn is_repeat_failure(&self) -> bool {
        self.replay_count > 0 && self.death_count > 1
    }
}

/// A place in the order of lists, those that died last first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct LetterPosition {
    last_died_at: DateTime<Utc>,
    id: Uuid,
}

impl fmt::Display for LetterPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.last_died_at.timestamp_micros(), self.id)
    }
}

impl FromStr for LetterPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (micros, id) = text.split_once('-').ok_or("not a place in the list")?;
        let last_died_at = micros.parse().ok().and_then(DateTime::from_timestamp_micros);
        let id = id.parse().map_err(|_| "not a place in the list")?;
        Ok(Self { last_died_at: last_died_at.ok_or("not a place in the list")?, id })
    }
}

impl From<&Summary> for LetterPosition {
    fn from(letter: &Summary) -> Self {
        letter.position()
    }
}

/// Whatever has a place on a list.
trait Listed {
    fn position(&self) -> LetterPosition;
}

impl Listed for Summary {
    fn position(&self) -> LetterPosition {
        LetterPosition { last_died_at: self.last_died_at, id: self.id }
    }
}

impl Listed for DeadLetter {
    fn position(&self) -> LetterPosition {
        LetterPosition { last_died_at: self.last_died_at, id: self.id }
    }
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Those that died last first.
    pub letters: Vec<T>,
    /// Where the next page begins, if there may be more.
    pub next: Option<LetterPosition>,
}

/// A page of a list. In a transaction it is quick whatever the statistics.
pub async fn page(
    conn: &mut PgConnection,
    filter: &DeadLetterFilter,
    after: Option<LetterPosition>,
    size: usize,
) -> sqlx::Result<Page<Summary>> {
    read(conn, SUMMARY, filter, after, size).await
}

/// A page of dead letters with bodies and headers.
pub async fn whole_page(
    conn: &mut PgConnection,
    filter: &DeadLetterFilter,
    after: Option<LetterPosition>,
    size: usize,
) -> sqlx::Result<Page<DeadLetter>> {
    read(conn, WHOLE, filter, after, size).await
}

async fn read<T>(
    conn: &mut PgConnection,
    columns: &str,
    filter: &DeadLetterFilter,
    after: Option<LetterPosition>,
    size: usize,
) -> sqlx::Result<Page<T>>
where
    T: Listed + Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    let rows = page::rows_to_read(size);
    let scanned = if filter.is_looked_for() { SCANNED_AT_ONCE } else { rows };
    let mut sql = QueryBuilder::new(format!("SELECT {columns} FROM (SELECT * FROM dead_letters"));
    push_newest(&mut sql, filter, after);
    sql.push(" LIMIT ").push_bind(scanned).push(") AS newest WHERE true");
    filter.push_looked_for(&mut sql);
    sql.push(" ORDER BY last_died_at DESC, id DESC LIMIT ").push_bind(rows);
    prefer_order(conn, filter).await?;
    let mut letters: Vec<T> = sql.build_query_as().fetch_all(&mut *conn).await?;
    let next = match page::cut(&mut letters, size).map(Listed::position) {
        None if filter.is_looked_for() => last_scanned(conn, filter, after).await?,
        next => next,
    };
    Ok(Page { letters, next })
}

/// Has the newest found by walking an index in their order. Without statistics the planner takes most filters for rare,
/// and would rather fetch and sort a hundred thousand rows. This holds until the transaction ends; without one, for nothing.
async fn prefer_order(conn: &mut PgConnection, filter: &DeadLetterFilter) -> sqlx::Result<()> {
    if filter.is_about_one_thing() {
        return Ok(());
    }
    sqlx::query(
        "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How far a page has looked, if there is more behind.
async fn last_scanned(
    conn: &mut PgConnection,
    filter: &DeadLetterFilter,
    after: Option<LetterPosition>,
) -> sqlx::Result<Option<LetterPosition>> {
    let mut sql = QueryBuilder::new("SELECT last_died_at, id FROM dead_letters");
    push_newest(&mut sql, filter, after);
    sql.push(" OFFSET ").push_bind(SCANNED_AT_ONCE - 1).push(" LIMIT 1");
    sql.build_query_as().fetch_optional(conn).await
}

fn push_newest(sql: &mut QueryBuilder<Postgres>, filter: &DeadLetterFilter, after: Option<LetterPosition>) {
    filter.push_found(sql);
    if let Some(after) = after {
        sql.push(" AND (last_died_at, id) < (").push_bind(after.last_died_at);
        sql.push(", ").push_bind(after.id).push(")");
    }
    sql.push(" ORDER BY last_died_at DESC, id DESC");
}

/// Dead letters with the same queue, class of error and message type.
#[derive(
    Debug, Clone, PartialEq, Eq, sqlx::FromRow, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[schema(as = DeadLetterGroup)]
pub struct Group {
    /// Where they died.
    pub queue: String,
    /// What kind of error.
    pub error_class: String,
    /// The messages' type.
    pub message_type: String,
    /// How many.
    pub count: i64,
    /// When the first of them first died.
    pub first_died_at: DateTime<Utc>,
    /// When the last of them died.
    pub last_died_at: DateTime<Utc>,
}

/// Groups of dead letters, the largest first. With a text, only the latest [`SCANNED_AT_ONCE`] that an index leads to count.
pub async fn groups(conn: &mut PgConnection, filter: &DeadLetterFilter) -> sqlx::Result<Vec<Group>> {
    let mut sql = QueryBuilder::new(
        "SELECT queue, error_class, message_type, count(*) AS count, min(first_died_at) AS first_died_at,
                max(last_died_at) AS last_died_at FROM ",
    );
    if filter.text.is_some() {
        prefer_order(conn, filter).await?;
        sql.push("(SELECT * FROM dead_letters");
        push_newest(&mut sql, filter, None);
        sql.push(" LIMIT ").push_bind(SCANNED_AT_ONCE).push(") AS newest WHERE true");
        filter.push_looked_for(&mut sql);
    } else {
        sql.push("dead_letters");
        filter.push(&mut sql);
    }
    sql.push(
        " GROUP BY queue, error_class, message_type ORDER BY count(*) DESC, queue, error_class, message_type
          LIMIT ",
    );
    sql.push_bind(MAX_GROUPS);
    sql.build_query_as().fetch_all(conn).await
}

/// How many dead letters there are, counted up to `limit`.
pub async fn count(conn: &mut PgConnection, filter: &DeadLetterFilter, limit: i64) -> sqlx::Result<i64> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM (SELECT FROM dead_letters");
    filter.push(&mut sql);
    sql.push(" LIMIT ").push_bind(limit).push(") AS counted");
    sql.build_query_scalar().fetch_one(conn).await
}

/// The ids of dead letters, at most `limit`, locked until the transaction ends, in the order in which everybody locks
/// them.
pub async fn lock_matching(
    conn: &mut PgConnection,
    filter: &DeadLetterFilter,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    let mut sql = QueryBuilder::new("SELECT id FROM dead_letters");
    filter.push(&mut sql);
    sql.push(" ORDER BY queue, message_id, sha256(body) LIMIT ").push_bind(limit).push(" FOR UPDATE");
    sql.build_query_scalar().fetch_all(conn).await
}

/// Freezes a replay's set: the ids of what matches now, those that died first in front, at most `limit`. Returns how
/// many.
pub async fn freeze_matching(
    conn: &mut PgConnection,
    replay_id: Uuid,
    filter: &DeadLetterFilter,
    limit: i64,
) -> sqlx::Result<u64> {
    let mut sql = QueryBuilder::new(
        "INSERT INTO replay_items (replay_id, position, dead_letter_id)
         SELECT ",
    );
    sql.push_bind(replay_id).push(", row_number() OVER (ORDER BY last_died_at, id), id FROM dead_letters");
    filter.push(&mut sql);
    sql.push(" ORDER BY last_died_at, id LIMIT ").push_bind(limit);
    Ok(sql.build().execute(conn).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let position = LetterPosition {
            last_died_at: DateTime::from_timestamp_micros(1_763_749_000_123_456).unwrap(),
            id: Uuid::from_u128(7),
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "7", "x-00000000-0000-0000-0000-000000000007", "7-8", "99999999999999999999-7"] {
            assert!(text.parse::<LetterPosition>().is_err(), "{text}");
        }
    }
}

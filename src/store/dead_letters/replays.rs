//! Replays: frozen sets of dead letters on their way back to their queues, and how far they have come.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// `replay_status` of the schema.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[sqlx(type_name = "replay_status", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ReplayStatus {
    /// Some of its items are still to be sent.
    Running,
    /// Somebody stopped it; what was not sent stays open.
    Cancelled,
    /// Every item has its outcome.
    Done,
}

impl ReplayStatus {
    /// As it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }
}

/// `replay_outcome` of the schema.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[sqlx(type_name = "replay_outcome", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ReplayOutcome {
    /// It is in its queue again.
    Replayed,
    /// It was not open any more.
    Skipped,
    /// It cannot be sent.
    Failed,
}

impl ReplayOutcome {
    /// As it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// A replay and how far it has come.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Replay {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub status: ReplayStatus,
    /// Which dead letters were asked for; absent when they were named one by one.
    pub filter: Option<Value>,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Dead letters sent in a second at most.
    pub rate_per_second: i32,
    /// Dead letters in its set.
    pub total: i32,
    /// Those in their queues again.
    pub replayed: i32,
    /// Those that were not open any more.
    pub skipped: i32,
    /// Those that cannot be sent.
    pub failed: i32,
    /// Those replayed that came back as dead letters.
    pub died_again: i64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was done or stopped.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Replay {
    /// Dead letters that have their outcome.
    pub fn handled(&self) -> i32 {
        self.replayed + self.skipped + self.failed
    }
}

/// A replay to begin.
#[derive(Debug, Clone)]
pub struct NewReplay<'a> {
    pub id: Uuid,
    /// Which dead letters, if they are not named one by one.
    pub filter: Option<Value>,
    pub actor: &'a str,
    pub reason: Option<&'a str>,
    /// Dead letters sent in a second at most.
    pub rate_per_second: i32,
}

/// Begins a replay whose set is still empty.
pub async fn insert(conn: &mut PgConnection, new: NewReplay<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO replays (id, status, filter, actor, reason, rate_per_second, total)
         VALUES ($1, 'running', $2, $3, $4, $5, 0)",
        new.id,
        new.filter,
        new.actor,
        new.reason,
        new.rate_per_second,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Freezes its set: these dead letters, each once. Returns how many.
pub async fn freeze(conn: &mut PgConnection, id: Uuid, letters: &[Uuid]) -> sqlx::Result<u64> {
    let frozen = sqlx::query!(
        "INSERT INTO replay_items (replay_id, position, dead_letter_id)
         SELECT $1, row_number() OVER (ORDER BY min(place)), id
           FROM unnest($2::uuid[]) WITH ORDINALITY AS asked (id, place) GROUP BY id",
        id,
        letters,
    )
    .execute(conn)
    .await?;
    Ok(frozen.rows_affected())
}

/// Notes how large its set is. An empty one is done.
pub async fn set_total(conn: &mut PgConnection, id: Uuid, total: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE replays
            SET total = $2,
                status = CASE WHEN $2 = 0 THEN 'done' ELSE status END,
                finished_at = CASE WHEN $2 = 0 THEN now() END
          WHERE id = $1",
        id,
        total,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Replay>> {
    sqlx::query_as!(
        Replay,
        r#"SELECT id, status AS "status: ReplayStatus", filter, actor, reason, rate_per_second, total, replayed,
                  skipped, failed, created_at, finished_at,
                  (SELECT count(*) FROM replay_items
                    WHERE replay_id = replays.id AND died_again_at IS NOT NULL) AS "died_again!"
             FROM replays WHERE id = $1"#,
        id,
    )
    .fetch_optional(conn)
    .await
}

/// Replays, the latest first, from before `before` on.
pub async fn list(conn: &mut PgConnection, before: Option<Uuid>, limit: i64) -> sqlx::Result<Vec<Replay>> {
    sqlx::query_as!(
        Replay,
        r#"SELECT id, status AS "status: ReplayStatus", filter, actor, reason, rate_per_second, total, replayed,
                  skipped, failed, created_at, finished_at,
                  (SELECT count(*) FROM replay_items
                    WHERE replay_id = replays.id AND died_again_at IS NOT NULL) AS "died_again!"
             FROM replays
            WHERE $1::uuid IS NULL OR (created_at, id) < (SELECT created_at, id FROM replays WHERE id = $1)
            ORDER BY created_at DESC, id DESC LIMIT $2"#,
        before,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Stops a replay that still runs. Returns whether it did.
pub async fn cancel(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<bool> {
    let stopped = sqlx::query!(
        "UPDATE replays SET status = 'cancelled', finished_at = now() WHERE id = $1 AND status = 'running'",
        id,
    )
    .execute(conn)
    .await?;
    Ok(stopped.rows_affected() == 1)
}

/// A dead letter of a replay's set and what came of it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ReplayItem {
    /// Its place in the set.
    pub position: i32,
    /// Which dead letter.
    pub dead_letter_id: Uuid,
    /// What came of it; absent while it waits.
    pub outcome: Option<ReplayOutcome>,
    /// Why it was not replayed.
    pub reason: Option<String>,
    /// When it had its turn.
    pub handled_at: Option<DateTime<Utc>>,
    /// When it came back as a dead letter.
    pub died_again_at: Option<DateTime<Utc>>,
}

/// Which items to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ItemFilter {
    /// Only those with this outcome.
    pub outcome: Option<ReplayOutcome>,
    /// Only those that came back as dead letters.
    pub died_again: bool,
    /// Only those behind this place.
    pub after: i32,
}

/// Items of a replay in the order of its set.
pub async fn items(
    conn: &mut PgConnection,
    id: Uuid,
    filter: ItemFilter,
    limit: i64,
) -> sqlx::Result<Vec<ReplayItem>> {
    sqlx::query_as!(
        ReplayItem,
        r#"SELECT position, dead_letter_id, outcome AS "outcome: ReplayOutcome", reason, handled_at, died_again_at
             FROM replay_items
            WHERE replay_id = $1 AND position > $2 AND ($3::replay_outcome IS NULL OR outcome = $3)
              AND (NOT $4 OR died_again_at IS NOT NULL)
            ORDER BY position LIMIT $5"#,
        id,
        filter.after,
        filter.outcome as Option<ReplayOutcome>,
        filter.died_again,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// A replay that a dead letter was part of.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = Part)]
pub struct LetterReplay {
    /// Which replay.
    pub replay_id: Uuid,
    /// What came of the dead letter; absent while it waits.
    pub outcome: Option<ReplayOutcome>,
    /// When it had its turn.
    pub handled_at: Option<DateTime<Utc>>,
    /// When it came back as a dead letter.
    pub died_again_at: Option<DateTime<Utc>>,
}

/// The last replays that a dead letter was part of.
pub async fn of_letter(conn: &mut PgConnection, letter: Uuid, limit: i64) -> sqlx::Result<Vec<LetterReplay>> {
    sqlx::query_as!(
        LetterReplay,
        r#"SELECT replay_id, outcome AS "outcome: ReplayOutcome", handled_at, died_again_at
             FROM replay_items WHERE dead_letter_id = $1 ORDER BY replay_id DESC LIMIT $2"#,
        letter,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// A replay whose next batch is due.
#[derive(Debug, Clone)]
pub struct Due {
    pub id: Uuid,
    /// Who asked for it.
    pub actor: String,
    pub reason: Option<String>,
    /// Dead letters sent in a second at most.
    pub rate_per_second: i32,
    /// How many of its items have their outcome: those in front.
    pub handled: i32,
}

/// A replay whose next batch is due, for this transaction alone: whoever dies leaves it to others.
pub async fn claim(conn: &mut PgConnection) -> sqlx::Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        r#"SELECT id, actor, reason, rate_per_second, replayed + skipped + failed AS "handled!" FROM replays
            WHERE status = 'running' AND next_batch_at <= now()
            ORDER BY next_batch_at LIMIT 1 FOR UPDATE SKIP LOCKED"#,
    )
    .fetch_optional(conn)
    .await
}

/// Lets others have their turn before a replay whose batch has failed.
pub async fn postpone(conn: &mut PgConnection, id: Uuid, seconds: f64) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE replays SET next_batch_at = now() + make_interval(secs => $2) WHERE id = $1 AND status = 'running'",
        id,
        seconds,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The next items of a claimed replay: places and dead letters.
pub async fn next_items(conn: &mut PgConnection, replay: &Due, limit: i64) -> sqlx::Result<Vec<(i32, Uuid)>> {
    let items = sqlx::query!(
        "SELECT position, dead_letter_id FROM replay_items
          WHERE replay_id = $1 AND position > $2 ORDER BY position LIMIT $3",
        replay.id,
        replay.handled,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(items.into_iter().map(|item| (item.position, item.dead_letter_id)).collect())
}

/// What came of one item.
#[derive(Debug, Clone)]
pub struct Handled {
    /// Its place in the set.
    pub position: i32,
    /// What came of it.
    pub outcome: ReplayOutcome,
    /// Why it was not replayed.
    pub reason: Option<String>,
}

/// Notes what came of a batch, when the next one is due at the replay's rate, and whether that was all.
pub async fn note(conn: &mut PgConnection, replay: &Due, batch: &[Handled]) -> sqlx::Result<()> {
    let positions: Vec<i32> = batch.iter().map(|item| item.position).collect();
    let outcomes: Vec<&str> = batch.iter().map(|item| item.outcome.name()).collect();
    let reasons: Vec<Option<&str>> = batch.iter().map(|item| item.reason.as_deref()).collect();
    sqlx::query!(
        "UPDATE replay_items SET outcome = handled.outcome::replay_outcome, reason = handled.reason, handled_at = now()
           FROM unnest($2::int[], $3::text[], $4::text[]) AS handled (position, outcome, reason)
          WHERE replay_id = $1 AND replay_items.position = handled.position",
        replay.id,
        &positions,
        &outcomes as &[&str],
        &reasons as &[Option<&str>],
    )
    .execute(&mut *conn)
    .await?;
    let count = |outcome| {
        let count = batch.iter().filter(|item| item.outcome == outcome).count();
        i32::try_from(count).expect("a batch is small")
    };
    let seconds = batch.len() as f64 / f64::from(replay.rate_per_second);
    sqlx::query!(
        "UPDATE replays
            SET replayed = replayed + $2, skipped = skipped + $3, failed = failed + $4,
                next_batch_at = now() + make_interval(secs => $5),
                status = CASE WHEN is_last THEN 'done' ELSE status END,
                finished_at = CASE WHEN is_last THEN now() END
           FROM (SELECT $6 = 0 OR replayed + skipped + failed + $6 >= total AS is_last
                   FROM replays WHERE id = $1) AS batch
          WHERE id = $1",
        replay.id,
        count(ReplayOutcome::Replayed),
        count(ReplayOutcome::Skipped),
        count(ReplayOutcome::Failed),
        seconds,
        i32::try_from(batch.len()).expect("a batch is small"),
    )
    .execute(conn)
    .await?;
    Ok(())
}

//! The outbox: what is to be told outside, and how far that has come.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::CLAIM_SECONDS;
use crate::domain::ids::OrderId;

/// `effect_kind` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "effect_kind", rename_all = "snake_case")]
pub enum EffectKind {
    /// A mail to the customer.
    Mail,
    /// A report to the data platform.
    Report,
}

/// `effect_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "effect_status", rename_all = "snake_case")]
pub enum EffectStatus {
    /// It is to be told.
    Open,
    Done,
    /// There is nobody to tell, or it came too late.
    Skipped,
    /// It was given up; its message is a dead letter.
    Dead,
}

/// A row of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The fact to tell.
    pub event_id: i64,
    /// How to tell it.
    pub kind: EffectKind,
    /// The order it is about.
    pub order_id: OrderId,
}

/// How far a row has come.
#[derive(Debug, Clone, Copy)]
pub struct EffectStanding {
    /// The fact to tell.
    pub event_id: i64,
    /// Whether it is told, or was given up.
    pub status: EffectStatus,
    /// How often that was tried.
    pub attempts: i32,
    /// What is left until it may be tried, by PostgreSQL's clock.
    pub left: Duration,
}

impl EffectStanding {
    /// Whether it may be tried.
    pub fn is_due(&self) -> bool {
        self.left.is_zero()
    }
}

/// How far some rows of one kind have come.
pub async fn standings(
    conn: &mut PgConnection,
    kind: EffectKind,
    events: &[i64],
) -> sqlx::Result<Vec<EffectStanding>> {
    let rows = sqlx::query!(
        r#"SELECT event_id, status AS "status: EffectStatus", attempts,
                  extract(epoch FROM due_at - now())::float8 AS "left_seconds!"
             FROM effects WHERE kind = $1 AND event_id = ANY($2)"#,
        kind as EffectKind,
        events,
    )
    .fetch_all(conn)
    .await?;
    let standing = rows.into_iter().map(|row| EffectStanding {
        event_id: row.event_id,
        status: row.status,
        attempts: row.attempts,
        left: duration(row.left_seconds),
    });
    Ok(standing.collect())
}

/// Seconds as PostgreSQL counts them; what lies in the past is over.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The end of a row.
#[derive(Debug, Clone)]
pub struct End {
    pub event_id: i64,
    pub status: EffectStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it was given up.
    pub error: Option<String>,
}

/// Notes how rows of one kind have ended. One that had ended otherwise before, but for a dead one, stays as it is.
pub async fn end(conn: &mut PgConnection, kind: EffectKind, ends: &[End]) -> sqlx::Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    let events: Vec<i64> = ends.iter().map(|end| end.event_id).collect();
    let statuses: Vec<EffectStatus> = ends.iter().map(|end| end.status).collect();
    let attempts: Vec<i32> = ends.iter().map(|end| end.attempts).collect();
    let errors: Vec<Option<String>> = ends.iter().map(|end| end.error.clone()).collect();
    sqlx::query!(
        "UPDATE effects f
            SET status = e.status, done_at = now(), attempts = e.attempts, last_error = coalesce(e.error, f.last_error)
           FROM unnest($2::bigint[], $3::effect_status[], $4::integer[], $5::text[])
                AS e (event_id, status, attempts, error)
          WHERE f.event_id = e.event_id AND f.kind = $1 AND f.status IN ('open', 'dead')",
        kind as EffectKind,
        &events,
        &statuses as &[EffectStatus],
        &attempts,
        errors.as_slice() as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A try that came to nothing.
#[derive(Debug, Clone)]
pub struct Postponed {
    pub event_id: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// Why nothing came of it.
    pub error: String,
    /// How long to wait at least.
    pub delay: Duration,
}

/// Puts rows of one kind off, each by up to a fifth more than asked for, so that what failed together does not come
/// back together. Returns what is left until each is due; one that is told meanwhile is left out.
pub async fn postpone(
    conn: &mut PgConnection,
    kind: EffectKind,
    postponed: &[Postponed],
) -> sqlx::Result<Vec<(i64, Duration)>> {
    if postponed.is_empty() {
        return Ok(vec![]);
    }
    let events: Vec<i64> = postponed.iter().map(|one| one.event_id).collect();
    let attempts: Vec<i32> = postponed.iter().map(|one| one.attempts).collect();
    let errors: Vec<String> = postponed.iter().map(|one| one.error.clone()).collect();
    let seconds: Vec<f64> = postponed.iter().map(|one| one.delay.as_secs_f64()).collect();
    let rows = sqlx::query!(
        r#"UPDATE effects f
            SET status = 'open', done_at = NULL, attempts = p.attempts, last_error = p.error,
                due_at = now() + make_interval(secs => p.seconds * (1 + random() / 5))
           FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::float8[])
                AS p (event_id, attempts, error, seconds)
          WHERE f.event_id = p.event_id AND f.kind = $1 AND f.status IN ('open', 'dead')
         RETURNING f.event_id, extract(epoch FROM f.due_at - now())::float8 AS "left_seconds!""#,
        kind as EffectKind,
        &events,
        &attempts,
        &errors,
        &seconds,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.event_id, duration(row.left_seconds))).collect())
}

/// Claims open rows that have been due for `quiet_seconds` and longer, for a short while: in health there are none. One that
/// stays open though it was woken is claimed ever more rarely, as its message may only be waiting in a long queue.
pub async fn claim_forgotten(
    conn: &mut PgConnection,
    kinds: &[EffectKind],
    quiet_seconds: i32,
    limit: i64,
) -> sqlx::Result<Vec<Effect>> {
    let rows = sqlx::query!(
        r#"UPDATE effects SET claimed_until = now() + make_interval(secs => $4)
            WHERE (event_id, kind) IN (
                  SELECT event_id, kind FROM effects
                   WHERE status = 'open' AND due_at >= nothing_open_before('effect')
                     AND due_at < now() - make_interval(secs => $1::int) AND kind = ANY($3)
                     AND (woken_at IS NULL
                          OR woken_at < now() - greatest(make_interval(secs => $1::int), (now() - due_at) / 2))
                     AND (claimed_until IS NULL OR claimed_until < now())
                   ORDER BY due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING event_id, kind AS "kind: EffectKind", order_id"#,
        quiet_seconds,
        limit,
        kinds as &[EffectKind],
        CLAIM_SECONDS,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| effect(row.event_id, row.kind, row.order_id)).collect())
}

/// Notes which claimed rows were woken. Those that were not may be claimed again at once.
pub async fn note_woken(conn: &mut PgConnection, claimed: &[(Effect, bool)]) -> sqlx::Result<()> {
    let events: Vec<i64> = claimed.iter().map(|(effect, _)| effect.event_id).collect();
    let kinds: Vec<EffectKind> = claimed.iter().map(|(effect, _)| effect.kind).collect();
    let woken: Vec<bool> = claimed.iter().map(|(_, woken)| *woken).collect();
    sqlx::query!(
        "UPDATE effects f SET claimed_until = NULL, woken_at = CASE WHEN c.woken THEN now() ELSE woken_at END
           FROM unnest($1::bigint[], $2::effect_kind[], $3::bool[]) AS c (event_id, kind, woken)
          WHERE f.event_id = c.event_id AND f.kind = c.kind",
        &events,
        &kinds as &[EffectKind],
        &woken,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) fn effect(event_id: i64, kind: EffectKind, order_id: Uuid) -> Effect {
    Effect { event_id, kind, order_id: order_id.into() }
}

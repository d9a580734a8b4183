//! What the last audit found, kept for whoever asks: checking anew sums whole tables.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::Finding;

/// A truth that was broken when it was last checked.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct BrokenTruth {
    /// Its name.
    pub truth: String,
    /// Rows that break it.
    pub violations: i64,
    /// Up to five of them.
    pub examples: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct LastAudit {
    pub checked_at: DateTime<Utc>,
    /// How long ago that is, in seconds.
    pub age_seconds: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// What did not hold.
    pub broken: Vec<BrokenTruth>,
}

/// Keeps what an audit found in place of what the last one did.
pub async fn store(conn: &mut PgConnection, findings: &[Finding], took: Duration) -> sqlx::Result<()> {
    let broken: Vec<BrokenTruth> = findings
        .iter()
        .filter(|finding| finding.violations > 0)
        .map(|finding| BrokenTruth {
            truth: finding.truth.to_owned(),
            violations: finding.violations,
            examples: finding.examples.clone(),
        })
        .collect();
    sqlx::query!(
        "INSERT INTO last_audit (duration_ms, findings) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE
            SET checked_at = now(), duration_ms = excluded.duration_ms, findings = excluded.findings",
        i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        Json(broken) as Json<Vec<BrokenTruth>>,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last audit, if there was one.
pub async fn last(conn: &mut PgConnection) -> sqlx::Result<Option<LastAudit>> {
    let row = sqlx::query!(
        r#"SELECT checked_at, extract(epoch FROM now() - checked_at)::bigint AS "age_seconds!", duration_ms,
                  findings AS "findings: Json<Vec<BrokenTruth>>"
             FROM last_audit WHERE id"#,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| LastAudit {
        checked_at: row.checked_at,
        age_seconds: row.age_seconds,
        duration_ms: row.duration_ms,
        broken: row.findings.0,
    }))
}

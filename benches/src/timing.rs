//! Rates and latencies. Both end with a commit, whose time PostgreSQL tells (`track_commit_timestamp`).

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use crate::load::Intended;

/// When orders were committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commits {
    count: i64,
    seconds: f64,
    middle_seconds: f64,
}

impl Commits {
    /// Of all orders in the table.
    pub(crate) async fn of_all(pool: &PgPool) -> sqlx::Result<Self> {
        Self::between(pool, 0.0, f64::from(u32::MAX)).await
    }

    /// Of the orders that were committed between these instants, in seconds of the clock.
    pub(crate) async fn between(pool: &PgPool, from: f64, to: f64) -> sqlx::Result<Self> {
        let row = sqlx::query(
            "WITH commits AS (
                 SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM orders
             )
             SELECT count(*) AS count, coalesce(max(at) - min(at), 0) AS seconds,
                    coalesce(percentile_disc(0.98) WITHIN GROUP (ORDER BY at)
                           - percentile_disc(0.02) WITHIN GROUP (ORDER BY at), 0) AS middle_seconds
               FROM commits WHERE at BETWEEN $1 AND $2",
        )
        .bind(from)
        .bind(to)
        .fetch_one(pool)
        .await?;
        Ok(Self {
            count: row.try_get("count")?,
            seconds: row.try_get("seconds")?,
            middle_seconds: row.try_get("middle_seconds")?,
        })
    }

    /// Orders per second from the first commit to the last.
    pub(crate) fn rate(self) -> f64 {
        self.count as f64 / self.seconds.max(0.001)
    }

    /// The same between the 2nd and the 98th of a hundred orders.
    pub(crate) fn middle_rate(self) -> f64 {
        self.count as f64 * 0.96 / self.middle_seconds.max(0.001)
    }
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<f64>);

impl Latencies {
    pub(crate) fn new(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_unstable_by(f64::total_cmp);
        Self(milliseconds)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The latency that this share of all stays below; 0 if there are none.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.percentile(1.0)
    }

    /// "p50 3.1 ms, p99 9.8 ms"
    pub(crate) fn text(&self) -> String {
        format!("p50 {:.1} ms, p99 {:.1} ms", self.percentile(0.5), self.percentile(0.99))
    }
}

/// How long after their release was due holds were released, among those due between these instants.
pub(crate) async fn release_lateness(pool: &PgPool, from: f64, to: f64) -> sqlx::Result<Latencies> {
    let late = sqlx::query_scalar(
        "SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(xmin) - expires_at)::float8
           FROM orders WHERE status = 'expired' AND extract(epoch FROM expires_at) BETWEEN $1 AND $2",
    );
    Ok(Latencies::new(late.bind(from).bind(to).fetch_all(pool).await?))
}

/// How long after it was meant to be sent each order was committed.
pub(crate) async fn commit_latency(pool: &PgPool, intended: &Intended) -> sqlx::Result<Latencies> {
    let commits: Vec<(Uuid, f64)> =
        sqlx::query_as("SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM orders")
            .fetch_all(pool)
            .await?;
    let late = commits.iter().filter_map(|(id, at)| Some((at - intended.get(id)?) * 1_000.0));
    Ok(Latencies::new(late.collect()))
}

/// An instant in seconds of the clock.
pub(crate) fn epoch_seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}

/// The middle value; 0 if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = Latencies::new(values.to_vec());
    let (low, high) = ((values.len().max(1) - 1) / 2, values.len() / 2);
    match (sorted.0.get(low), sorted.0.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

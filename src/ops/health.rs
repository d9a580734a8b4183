//! Health at a glance: what an operator wants to know first, and a verdict. Nothing here is costly however much is wrong:
//! short walks on indexes, figures that the workers count as things happen, and the last result of the audit.

pub mod api;
pub mod pages;
mod verdict;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

pub use verdict::{HealthFinding, HealthVerdict};

use super::queues::{self, with_ages};
use super::workers::{self, WorkersView};
use crate::broker::queues::QueuesView;
use crate::broker::refusals::Refused;
use crate::store::audit::results::{BrokenTruth, LastAudit};
use crate::store::events::cursors::Cursor;
use crate::store::events::figures::{self, LATENESS_BOUNDS_MS};
use crate::store::events::restored_log;
use crate::store::workers::backlog;
use crate::store::workers::backlog::shown::{Backlog, COUNTED_AT_MOST, OpenMoney};
use crate::store::workers::queue_looks::Age;
use crate::store::{audit, orders, payments};

/// Orders are shown per minute for so long.
const MINUTES: i32 = 60;
/// What becomes of orders, as the chart shows it.
pub const OUTCOMES: [(&str, &str); 5] = [
    ("order.held", "held"),
    ("order.refused", "refused"),
    ("order.paid", "paid"),
    ("order.expired", "expired"),
    ("order.cancelled", "cancelled"),
];

/// How everything is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// When somebody looked.
    pub at: DateTime<Utc>,
    /// The worst of the findings, or that all is well.
    pub verdict: HealthVerdict,
    /// What is not well, the worst first.
    pub findings: Vec<HealthFinding>,
    /// Holds past their time that nothing has released yet; the age is the worst lateness.
    pub overdue_holds: Backlog,
    /// How late holds were released.
    pub lateness: LatenessView,
    /// Payments, refunds and charges without a last answer of their gateway.
    pub open_money: Vec<OpenMoney>,
    /// Webhooks of the last day about a payment that is not ours, as far as they name an order or a charge of ours or are signed.
    pub unmatched_webhooks: Backlog,
    /// Money of the last day that came for orders which no longer waited for it.
    pub late_money: LateMoney,
    /// Dead letters that wait for a person.
    pub dead_letters: Backlog,
    /// Whether nobody reads the event log because it is ahead of the server's transaction ids.
    pub event_log_is_ahead: bool,
    /// Facts that are not published yet.
    pub relay_lag: Backlog,
    /// Payments and refunds that have not taken effect yet.
    pub feed_lag: Backlog,
    /// The last audit; nothing if there was none.
    pub audit: Option<AuditView>,
    /// Orders per minute of the last hour.
    pub orders: Vec<OutcomeView>,
    /// Who works.
    pub workers: WorkersView,
    /// What waits.
    pub queues: QueuesView,
    /// What the broker does not take from the process that answers.
    pub refused: Vec<Refused>,
}

/// How late holds were released, as a histogram.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LatenessView {
    /// Buckets, the punctual ones first.
    pub buckets: Vec<LatenessBucket>,
    /// The latest release of the last hour.
    pub worst_hour_ms: i64,
    /// The latest release of the last day.
    pub worst_day_ms: i64,
}

/// Holds released so late.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LatenessBucket {
    /// Less late than this; nothing for the last bucket.
    pub below_ms: Option<i64>,
    /// Holds of the last hour.
    pub hour: u64,
    /// Holds of the last day.
    pub day: u64,
}

/// Late money of the last day.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct LateMoney {
    /// How often.
    pub count: i64,
    /// How much.
    pub amount_won: i64,
}

/// The last audit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// When it ended.
    pub checked_at: DateTime<Utc>,
    /// How long ago that is.
    pub age_seconds: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// What did not hold.
    pub broken: Vec<BrokenTruth>,
}

impl From<LastAudit> for AuditView {
    fn from(last: LastAudit) -> Self {
        let LastAudit { checked_at, age_seconds, duration_ms, broken } = last;
        Self { checked_at, age_seconds, duration_ms, broken }
    }
}

/// Orders with one outcome, minute by minute.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OutcomeView {
    /// What became of them.
    pub outcome: Cow<'static, str>,
    /// Within the hour.
    pub total: u64,
    /// Per minute, the oldest first; the last minute is not over yet.
    pub per_minute: Vec<u64>,
}

/// What the database tells.
#[derive(Debug, Clone)]
pub struct HealthFacts {
    at: DateTime<Utc>,
    overdue_holds: Backlog,
    lateness: LatenessView,
    open_money: Vec<OpenMoney>,
    unmatched_webhooks: Backlog,
    late_money: LateMoney,
    dead_letters: Backlog,
    event_log_is_ahead: bool,
    relay_lag: Backlog,
    feed_lag: Backlog,
    audit: Option<AuditView>,
    orders: Vec<OutcomeView>,
    workers: WorkersView,
    ages: Vec<Age>,
}

/// Reads what the database tells.
pub async fn facts(conn: &mut PgConnection) -> sqlx::Result<HealthFacts> {
    let late = figures::late_money(conn).await?;
    let money = backlog::open_money(conn, COUNTED_AT_MOST).await?;
    Ok(HealthFacts {
        at: orders::transaction_time(conn).await?,
        overdue_holds: backlog::overdue_holds(conn, COUNTED_AT_MOST).await?.into(),
        lateness: lateness(conn).await?,
        open_money: money.into_iter().map(OpenMoney::from).collect(),
        unmatched_webhooks: payments::unsettled::count_unmatched_webhooks(conn).await?,
        late_money: LateMoney { count: late.facts, amount_won: late.amount_won },
        dead_letters: backlog::dead_letters(conn, COUNTED_AT_MOST).await?.into(),
        event_log_is_ahead: restored_log::is_ahead(conn).await?,
        relay_lag: backlog::unread(conn, Cursor::Events, COUNTED_AT_MOST).await?.into(),
        feed_lag: backlog::unread(conn, Cursor::Effects, COUNTED_AT_MOST).await?.into(),
        audit: audit::results::last(conn).await?.map(AuditView::from),
        orders: outcomes(conn).await?,
        workers: workers::list(conn).await?,
        ages: queues::ages(conn).await?,
    })
}

impl HealthFacts {
    /// The whole picture, with what the broker tells and what it does not take from this process.
    pub fn with_broker(self, queues: QueuesView, refused: Vec<Refused>) -> HealthView {
        let mut view = HealthView {
            at: self.at,
            verdict: HealthVerdict::Well,
            findings: vec![],
            overdue_holds: self.overdue_holds,
            lateness: self.lateness,
            open_money: self.open_money,
            unmatched_webhooks: self.unmatched_webhooks,
            late_money: self.late_money,
            dead_letters: self.dead_letters,
            event_log_is_ahead: self.event_log_is_ahead,
            relay_lag: self.relay_lag,
            feed_lag: self.feed_lag,
            audit: self.audit,
            orders: self.orders,
            workers: self.workers,
            queues: with_ages(queues, &self.ages),
            refused,
        };
        (view.verdict, view.findings) = verdict::judge(&view);
        view
    }
}

async fn lateness(conn: &mut PgConnection) -> sqlx::Result<LatenessView> {
    let rows = figures::lateness(conn).await?;
    let bucket = |(place, below_ms): (i32, Option<i64>)| {
        let row = rows.iter().find(|row| row.bucket == place);
        let count = |holds: i64| u64::try_from(holds).unwrap_or(0);
        LatenessBucket {
            below_ms,
            hour: row.map_or(0, |row| count(row.hour)),
            day: row.map_or(0, |row| count(row.day)),
        }
    };
    let bounds = LATENESS_BOUNDS_MS.into_iter().map(Some).chain([None]);
    Ok(LatenessView {
        buckets: (0..).zip(bounds).map(bucket).collect(),
        worst_hour_ms: rows.iter().map(|row| row.worst_hour_ms).max().unwrap_or(0),
        worst_day_ms: rows.iter().map(|row| row.worst_day_ms).max().unwrap_or(0),
    })
}

async fn outcomes(conn: &mut PgConnection) -> sqlx::Result<Vec<OutcomeView>> {
    let counts = figures::per_minute(conn, MINUTES).await?;
    let view = |(kind, outcome): (&str, &'static str)| {
        let mut per_minute = vec![0; MINUTES as usize];
        for count in counts.iter().filter(|count| count.kind == kind) {
            let place = usize::try_from(MINUTES - 1 - count.minutes_ago).ok();
            if let Some(minute) = place.and_then(|place| per_minute.get_mut(place)) {
                *minute = u64::try_from(count.facts).unwrap_or(0);
            }
        }
        OutcomeView { outcome: outcome.into(), total: per_minute.iter().sum(), per_minute }
    };
    Ok(OUTCOMES.into_iter().map(view).collect())
}

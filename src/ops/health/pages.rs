//! `/ops`: health at a glance, drawn anew every five seconds where scripts run.

use std::borrow::Cow;

use axum::extract::State;
use axum::response::Response;

use super::{HealthFinding, HealthVerdict, HealthView};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::chart::{self, Bar, Tone};
use crate::ops::console::filters::{age, duration};
use crate::ops::console::{self, Frame, filters};
use crate::store::audit::TRUTHS;
use crate::store::workers::backlog::shown::Backlog;

#[derive(askama::Template)]
#[template(path = "health.html")]
struct HealthPage {
    frame: Frame,
    glance: Glance,
}

#[derive(askama::Template)]
#[template(path = "health_live.html")]
struct HealthFragment {
    glance: Glance,
}

pub async fn read(State(app): State<App>, frame: Frame) -> Result<Response, ApiError> {
    Ok(console::page(&HealthPage { frame, glance: Glance::of(super::api::look(&app).await?) }))
}

/// What of it changes.
pub async fn live(State(app): State<App>, _: Frame) -> Result<Response, ApiError> {
    Ok(console::page(&HealthFragment { glance: Glance::of(super::api::look(&app).await?) }))
}

/// Everything as it is shown.
struct Glance {
    view: HealthView,
    cards: Vec<Card>,
    orders: Vec<(Cow<'static, str>, u64, String)>,
    lateness_hour: String,
    lateness_day: String,
}

struct Card {
    id: &'static str,
    link: &'static str,
    tone: &'static str,
    value: String,
    label: &'static str,
    hint: String,
}

impl HealthVerdict {
    /// The class of the style sheet.
    fn tone(self) -> &'static str {
        match self {
            Self::Well => "good",
            Self::Look => "warn",
            Self::Wrong => "bad",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Well => "all is well",
            Self::Look => "have a look",
            Self::Wrong => "something is wrong",
        }
    }
}

impl HealthFinding {
    fn tone(&self) -> &'static str {
        self.verdict.tone()
    }
}

impl Glance {
    fn of(view: HealthView) -> Self {
        let orders = view.orders.iter().map(|outcome| {
            let name = format!("Orders {} per minute", outcome.outcome);
            let line = chart::sparkline(&name, &outcome.per_minute, "an hour ago", "now");
            (outcome.outcome.clone(), outcome.total, line)
        });
        Self {
            cards: cards(&view),
            orders: orders.collect(),
            lateness_hour: lateness(&view, "the last hour", |bucket| bucket.hour),
            lateness_day: lateness(&view, "the last day", |bucket| bucket.day),
            view,
        }
    }
}

fn lateness(view: &HealthView, when: &str, holds: impl Fn(&super::LatenessBucket) -> u64) -> String {
    let mut from = 0;
    let bars = view.lateness.buckets.iter().map(|bucket| {
        let label = match bucket.below_ms {
            Some(below) => format!("< {}", milliseconds(below)),
            None => format!("≥ {}", milliseconds(from)),
        };
        from = bucket.below_ms.unwrap_or(from);
        // The sweeper takes over after five seconds.
        let tone = match bucket.below_ms {
            Some(..=1_000) => Tone::Good,
            Some(..=10_000) => Tone::Warn,
            _ => Tone::Bad,
        };
        Bar { label, value: holds(bucket), tone }
    });
    let bars: Vec<Bar> = bars.collect();
    chart::histogram(&format!("Holds released within {when}, by lateness"), "holds", &bars)
}

fn milliseconds(value: i64) -> String {
    if value < 1_000 { format!("{value} ms") } else { format!("{} s", value as f64 / 1_000.0) }
}

fn cards(view: &HealthView) -> Vec<Card> {
    let found = |code: &str| view.findings.iter().find(|finding| finding.code == code);
    let tone = |code: &str| found(code).map_or("good", HealthFinding::tone);
    let backlog = |id, code: &str, link, label, backlog: Backlog| Card {
        id,
        link,
        tone: tone(code),
        value: backlog.count.to_string(),
        label,
        hint: if backlog.count > 0 {
            format!("oldest {}", age(backlog.oldest_seconds))
        } else {
            String::new()
        },
    };
    let open = |kind: &str| Backlog {
        count: view.open_money.iter().filter(|open| open.kind == kind).map(|open| open.count).sum(),
        oldest_seconds: view
            .open_money
            .iter()
            .filter(|open| open.kind == kind)
            .map(|open| open.oldest_seconds)
            .max()
            .unwrap_or(0),
    };
    vec![
        backlog("card-overdue", "overdue_holds", "/ops/orders", "holds overdue", view.overdue_holds),
        backlog("card-payments", "open_payments", "/ops/money", "payments open", open("payment")),
        backlog("card-refunds", "open_refunds", "/ops/money", "refunds open", open("refund")),
        backlog("card-charges", "open_charges", "/ops/money", "charges open", open("charge")),
        backlog("card-letters", "dead_letters", "/ops/dead-letters", "dead letters open", view.dead_letters),
        backlog(
            "card-webhooks",
            "unmatched_webhooks",
            "/ops/money",
            "webhooks unmatched",
            view.unmatched_webhooks,
        ),
        Card {
            id: "card-late-money",
            link: "/ops/orders",
            tone: if view.late_money.count > 0 { "warn" } else { "good" },
            value: view.late_money.count.to_string(),
            label: "times late money today",
            hint: if view.late_money.count > 0 {
                format!("{} won", view.late_money.amount_won)
            } else {
                String::new()
            },
        },
        backlog("card-relay", "relay_lag", "/ops/queues", "facts to publish", view.relay_lag),
        backlog("card-feed", "feed_lag", "/ops/queues", "facts to feed", view.feed_lag),
        audit_card(view, tone("audit"), tone("audit_old")),
        workers_card(view, tone("no_workers")),
    ]
}

fn audit_card(view: &HealthView, broken: &'static str, old: &'static str) -> Card {
    let (value, hint, tone) = match &view.audit {
        None => ("none yet".to_owned(), String::new(), "warn"),
        Some(audit) => {
            let took = duration(audit.duration_ms as f64 / 1_000.0);
            let hint = format!("{} ago, took {took}", age(audit.age_seconds));
            match audit.broken.len() {
                0 => (format!("{0} of {0}", TRUTHS.len()), hint, old),
                count => {
                    (format!("{} of {}", TRUTHS.len() - count.min(TRUTHS.len()), TRUTHS.len()), hint, broken)
                }
            }
        }
    };
    Card { id: "card-audit", link: "/ops/orders", tone, value, label: "truths hold", hint }
}

fn workers_card(view: &HealthView, unattended: &'static str) -> Card {
    let alive = view.workers.processes.iter().filter(|process| process.alive).count();
    let runners: i64 = view.workers.pools.iter().map(|pool| pool.runners).sum();
    let paused = view.workers.pools.iter().filter(|pool| pool.paused.is_some()).count();
    let hint = match paused {
        0 => format!("{runners} runners"),
        paused => format!("{runners} runners, {paused} pools paused"),
    };
    let tone = match unattended {
        "good" if paused > 0 => "warn",
        tone => tone,
    };
    Card {
        id: "card-workers",
        link: "/ops/queues",
        tone,
        value: alive.to_string(),
        label: "worker processes alive",
        hint,
    }
}

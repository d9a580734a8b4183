//! What is not well, what that means and what to do about it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::HealthView;
use crate::broker::queues::{QueueKind, Source};
use crate::broker::refusals::{RefusalCause, Refused};
use crate::ops::console::filters::age;
use crate::ops::workers::PoolView;
use crate::pool::Pool;

/// The sweeper takes over from late timers after five seconds; a hold later than this has been missed by both.
const OVERDUE_SECONDS: i64 = 10;
/// A gateway that stumbles costs a payment seconds; one that keeps silent for longer is worth a look.
const OPEN_MONEY_SECONDS: i64 = 60;
/// Facts are published and fed within a second or two, unless something holds them back.
const LAG_SECONDS: i64 = 15;
/// Commands wait for milliseconds in health.
const WAITING_SECONDS: i64 = 60;
/// The audit rests fifty times as long as it took, and at least a minute; later than twice that it is missing.
const AUDIT_SECONDS: i64 = 300;

/// The light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Verdict)]
pub enum HealthVerdict {
    /// All is well.
    Well,
    /// Somebody should have a look.
    Look,
    /// Something is wrong now.
    Wrong,
}

/// One thing that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthFinding {
    /// What it is, for machines.
    pub code: Cow<'static, str>,
    /// How bad it is.
    pub verdict: HealthVerdict,
    /// What it is.
    pub what: String,
    /// What that means.
    pub meaning: String,
    /// What to do.
    pub todo: Cow<'static, str>,
    /// The page of the console that shows it.
    pub link: Cow<'static, str>,
}

/// The verdict, and what led to it, the worst first.
pub(super) fn judge(view: &HealthView) -> (HealthVerdict, Vec<HealthFinding>) {
    let mut findings = vec![];
    findings.extend(overdue(view));
    findings.extend(audit(view));
    findings.extend(broker(view));
    findings.extend(view.refused.iter().map(refused));
    findings.extend(unattended(view));
    findings.extend(waiting(view));
    findings.extend(money(view));
    findings.extend(log_ahead(view));
    findings.extend(lags(view));
    findings.extend(for_people(view));
    findings.extend(view.workers.pools.iter().filter_map(paused));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(HealthVerdict::Well);
    (verdict, findings)
}

/// `1 hold`, `2 holds`, `1000 or more holds`.
fn counted(count: i64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count if count >= crate::store::workers::backlog::shown::COUNTED_AT_MOST => {
            format!("{count} or more {many}")
        }
        count => format!("{count} {many}"),
    }
}

fn is_paused(view: &HealthView, pool: Pool) -> bool {
    view.workers.pools.iter().any(|view| view.pool == pool.name() && view.paused.is_some())
}

fn overdue(view: &HealthView) -> Option<HealthFinding> {
    let overdue = view.overdue_holds;
    (overdue.oldest_seconds > OVERDUE_SECONDS).then(|| HealthFinding {
        code: "overdue_holds".into(),
        verdict: HealthVerdict::Wrong,
        what: format!(
            "{} overdue, the worst by {}",
            counted(overdue.count, "hold is", "holds are"),
            age(overdue.oldest_seconds)
        ),
        meaning: "Neither timers nor the sweeper release them. They cannot be paid any more, and a buyer who needs \
                  their units gets them."
            .to_owned(),
        todo: "See that the pools order.expire and sweep have runners and are not paused.".into(),
        link: "/ops/queues".into(),
    })
}

fn audit(view: &HealthView) -> Vec<HealthFinding> {
    let Some(audit) = &view.audit else {
        return vec![HealthFinding {
            code: "audit_missing".into(),
            verdict: HealthVerdict::Look,
            what: "The truths have never been checked".to_owned(),
            meaning: "Nobody knows whether stock and money add up.".to_owned(),
            todo: "Start a workers process with the pool audit, or run holdfast audit.".into(),
            link: "/ops/queues".into(),
        }];
    };
    let mut findings: Vec<HealthFinding> = audit
        .broken
        .iter()
        .map(|broken| HealthFinding {
            code: "audit".into(),
            verdict: HealthVerdict::Wrong,
            what: format!("The audit found that \"{}\" does not hold", broken.truth.replace('_', " ")),
            meaning: format!(
                "{}, such as {}.",
                counted(broken.violations, "row breaks it", "rows break it"),
                broken.examples.first().map_or("none that is named", String::as_str)
            ),
            todo: "Run holdfast audit for the state as of now; what it still names needs a person.".into(),
            link: "/ops/orders".into(),
        })
        .collect();
    let expected = AUDIT_SECONDS + audit.duration_ms / 1_000 * 120;
    if audit.age_seconds > expected && !is_paused(view, Pool::Audit) {
        findings.push(HealthFinding {
            code: "audit_old".into(),
            verdict: HealthVerdict::Look,
            what: format!("The last audit is {} old", age(audit.age_seconds)),
            meaning: format!("It should come again after {}.", age(expected)),
            todo: "See that the pool audit has a runner, and what its log says.".into(),
            link: "/ops/queues".into(),
        });
    }
    findings
}

fn broker(view: &HealthView) -> Option<HealthFinding> {
    (view.queues.source == Source::None).then(|| HealthFinding {
        code: "broker".into(),
        verdict: HealthVerdict::Wrong,
        what: "RabbitMQ does not answer".to_owned(),
        meaning: format!(
            "{}. Orders are refused with 503 while it is away; nothing is lost.",
            view.queues.why.as_deref().unwrap_or("It gave no reason")
        ),
        todo: "See that RabbitMQ runs and that AMQP_URL names it.".into(),
        link: "/ops/queues".into(),
    })
}

/// Something that the broker does not take.
fn refused(refused: &Refused) -> HealthFinding {
    let Refused { target, cause, seconds } = refused;
    let since = age(i64::try_from(*seconds).unwrap_or(i64::MAX));
    match cause {
        RefusalCause::Full => HealthFinding {
            code: "queue_full".into(),
            verdict: HealthVerdict::Wrong,
            what: format!("{target} has taken no message for {since}: it is full"),
            meaning: "Callers hear 503 and may try again; what it took before is safe. Its workers do not keep up, or \
                      there are none."
                .to_owned(),
            todo: "See that its pool has runners, is not paused and does not wait; more runners help only if they are busy.".into(),
            link: "/ops/queues".into(),
        },
        RefusalCause::Trouble => HealthFinding {
            code: "broker_refuses".into(),
            verdict: HealthVerdict::Wrong,
            what: format!("RabbitMQ has confirmed no message to {target} for {since}"),
            meaning: "It is not full: the broker takes messages late or not at all, on new connections too. Callers hear \
                      503 and may try again."
                .to_owned(),
            todo: "Look for alarms of memory or disk, and for a node or a quorum that is missing: rabbitmqctl cluster_status.".into(),
            link: "/ops/queues".into(),
        },
    }
}

/// Pools that nobody works; one finding if nobody works at all.
fn unattended(view: &HealthView) -> Vec<HealthFinding> {
    if view.workers.processes.iter().any(|process| process.alive) {
        return view.workers.pools.iter().filter_map(|pool| without_workers(view, pool)).collect();
    }
    vec![HealthFinding {
        code: "no_workers".into(),
        verdict: HealthVerdict::Wrong,
        what: "No workers process is alive".to_owned(),
        meaning: "Orders and payments are accepted and wait; nothing is decided, released or told."
            .to_owned(),
        todo: "Start holdfast-workers; the log of one that ended says why.".into(),
        link: "/ops/queues".into(),
    }]
}

/// A pool that nobody works. Those that need a gateway, a mail server or a data platform are missed only when something
/// waits for them.
fn without_workers(view: &HealthView, pool: &PoolView) -> Option<HealthFinding> {
    let known = Pool::from_name(&pool.pool)?;
    let waits = view.queues.find(&pool.pool).is_some_and(|queue| queue.ready > 0);
    let missed = pool.runners == 0 && pool.paused.is_none() && (waits || !known.needs_configuration());
    let is_grave =
        matches!(known, Pool::Commands(_) | Pool::DeadLetters | Pool::Sweep | Pool::Relay | Pool::Feed);
    missed.then(|| HealthFinding {
        code: "no_workers".into(),
        verdict: if is_grave { HealthVerdict::Wrong } else { HealthVerdict::Look },
        what: format!("Nobody works the pool {}", pool.pool),
        meaning: pool.while_paused.to_string(),
        todo: "Start a workers process with this pool; the log of one that ended says why.".into(),
        link: "/ops/queues".into(),
    })
}

fn waiting(view: &HealthView) -> Vec<HealthFinding> {
    let old = view.queues.queues.iter().filter(|queue| {
        let is_paused =
            view.workers.pools.iter().any(|pool| pool.pool == queue.name && pool.paused.is_some());
        match queue.kind {
            QueueKind::Command => {
                queue.ready > 0 && !is_paused && queue.oldest_seconds.is_some_and(|age| age > WAITING_SECONDS)
            }
            QueueKind::Dead => {
                queue.ready > 0
                    && !self::is_paused(view, Pool::DeadLetters)
                    && queue.oldest_seconds.is_some_and(|age| age > WAITING_SECONDS)
            }
            QueueKind::Unreadable => queue.ready > 0,
            QueueKind::Delay => false,
        }
    });
    old.map(|queue| HealthFinding {
        code: "waiting".into(),
        verdict: HealthVerdict::Look,
        what: format!(
            "{} in {}{}",
            counted(i64::try_from(queue.ready).unwrap_or(i64::MAX), "message waits", "messages wait"),
            queue.name,
            queue.oldest_seconds.map(|oldest| format!(", for up to {}", age(oldest))).unwrap_or_default()
        ),
        meaning: match queue.kind {
            QueueKind::Unreadable => "No client library could read them, so they were parked.",
            _ => "Workers do not keep up, or wait for the database or somebody outside.",
        }
        .to_owned(),
        todo: "See what the workers' logs say; more runners help only if they are busy.".into(),
        link: "/ops/queues".into(),
    })
    .collect()
}

fn money(view: &HealthView) -> Vec<HealthFinding> {
    let late = view.open_money.iter().filter(|open| open.oldest_seconds > OPEN_MONEY_SECONDS);
    late.map(|open| {
        let code = match open.kind.as_str() {
            "payment" => "open_payments",
            "refund" => "open_refunds",
            _ => "open_charges",
        };
        HealthFinding {
            code: code.into(),
            verdict: if open.status == "unknown" { HealthVerdict::Wrong } else { HealthVerdict::Look },
            what: format!(
                "{} {}, the oldest for {}",
                counted(open.count, &format!("{} is", open.kind), &format!("{}s are", open.kind)),
                open.status,
                age(open.oldest_seconds)
            ),
            meaning: match open.status.as_str() {
                "unknown" => "The gateway may or may not have taken the money. It is asked again until it says.",
                "returning" => "Late money is on its way back, and the gateway has not confirmed it.",
                _ => "The gateway was asked and has not answered.",
            }
            .to_owned(),
            todo: "See whether the gateway is up and the pool that asks it runs; resolve single payments by hand.".into(),
            link: "/ops/money".into(),
        }
    })
    .collect()
}

fn log_ahead(view: &HealthView) -> Option<HealthFinding> {
    view.event_log_is_ahead.then(|| HealthFinding {
        code: "event_log_ahead".into(),
        verdict: HealthVerdict::Wrong,
        what: "The event log is ahead of PostgreSQL's transaction ids".to_owned(),
        meaning: "The database was restored into another cluster. Orders and payments go on; nothing is published, counted or \
                  mailed, since what is new would be taken for read long ago."
            .to_owned(),
        todo: "Run holdfast cursors reset, which shows what it would do; then with --yes.".into(),
        link: "/ops".into(),
    })
}

fn lags(view: &HealthView) -> Vec<HealthFinding> {
    let lags = [
        ("relay_lag", Pool::Relay, view.relay_lag, "Callers and streams hear of outcomes late."),
        ("feed_lag", Pool::Feed, view.feed_lag, "Counters, mails and reports are late."),
    ];
    let late = lags.into_iter().filter(|(_, pool, lag, _)| {
        lag.oldest_seconds > LAG_SECONDS && lag.count > 0 && !is_paused(view, *pool)
    });
    late.map(|(code, pool, lag, meaning)| HealthFinding {
        code: code.into(),
        verdict: HealthVerdict::Look,
        what: format!(
            "The {} is {} behind, by {}",
            pool.name(),
            age(lag.oldest_seconds),
            counted(lag.count, "fact", "facts")
        ),
        meaning: meaning.to_owned(),
        todo: "See that its pool runs; if it does, look for a long transaction in pg_stat_activity, which holds it back.".into(),
        link: "/ops/queues".into(),
    })
    .collect()
}

/// What waits for a person.
fn for_people(view: &HealthView) -> Vec<HealthFinding> {
    let mut findings = vec![];
    if view.dead_letters.count > 0 {
        findings.push(HealthFinding {
            code: "dead_letters".into(),
            verdict: HealthVerdict::Look,
            what: format!(
                "{} open, the oldest for {}",
                counted(view.dead_letters.count, "dead letter is", "dead letters are"),
                age(view.dead_letters.oldest_seconds)
            ),
            meaning: "Each is a command that was accepted and could not be applied.".to_owned(),
            todo: "Read the error, repair its cause, replay; or discard with a reason.".into(),
            link: "/ops/dead-letters".into(),
        });
    }
    if view.unmatched_webhooks.count > 0 {
        findings.push(HealthFinding {
            code: "unmatched_webhooks".into(),
            verdict: HealthVerdict::Look,
            what: format!(
                "{} about no payment of ours",
                counted(
                    view.unmatched_webhooks.count,
                    "webhook of the last day is",
                    "webhooks of the last day are"
                )
            ),
            meaning: "They name an order or a charge of ours or are signed, and nobody here asked for their payment."
                .to_owned(),
            todo: "Compare with the gateway: holdfast reconcile names every payment that we do not know."
                .into(),
            link: "/ops/money".into(),
        });
    }
    findings
}

fn paused(pool: &PoolView) -> Option<HealthFinding> {
    let pause = pool.paused.as_ref()?;
    Some(HealthFinding {
        code: "paused".into(),
        verdict: HealthVerdict::Look,
        what: format!("{} has paused the pool {}: {}", pause.actor, pool.pool, pause.reason),
        meaning: pool.while_paused.to_string(),
        todo: "Resume it when its reason is gone.".into(),
        link: "/ops/queues".into(),
    })
}

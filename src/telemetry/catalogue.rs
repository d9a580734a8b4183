//! Every metric of both programs: what it is called, how it is counted, by what, and what it tells. Dashboard and alert
//! rules are checked against this list by a test, and so is what the programs export.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// How a metric is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by buckets.
    Histogram,
}

impl MetricKind {
    /// As Prometheus writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    /// How it is counted.
    pub kind: MetricKind,
    /// In what, if the name does not say it.
    pub unit: Unit,
    /// By what. Never by an id: each value is one of a few words.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, unit: Unit::Count, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, unit: Unit::Count, labels, help }
}

const fn seconds(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, unit: Unit::Seconds, labels, help }
}

const fn times(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, unit: Unit::Seconds, labels, help }
}

const fn sizes(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, unit: Unit::Count, labels, help }
}

/// Every metric, by what it is about.
pub const CATALOGUE: &[Metric] = &[
    // The process.
    gauge("holdfast_build_info", &["program", "version"], "Always 1; which program of which version this is"),
    gauge("holdfast_database_connections", &["state"], "Connections to PostgreSQL, in use or idle"),
    gauge("holdfast_database_connections_max", &[], "Connections to PostgreSQL that this process may open"),
    times("holdfast_database_acquire_seconds", &[], "How long work waited for a connection to PostgreSQL"),
    counter(
        "holdfast_database_acquire_failures_total",
        &[],
        "Times that work got no connection to PostgreSQL: none was free in time, or none could be opened",
    ),
    gauge("holdfast_broker_connected", &[], "1 while there is a channel to publish on"),
    // HTTP.
    counter(
        "holdfast_http_requests_total",
        &["method", "route", "status_class"],
        "Requests answered, by the template of their route",
    ),
    times(
        "holdfast_http_request_seconds",
        &["method", "route"],
        "How long a request took, up to the answer's head",
    ),
    gauge("holdfast_http_requests_in_flight", &[], "Requests being answered now, waiting ones included"),
    gauge("holdfast_http_connections", &[], "Connections that are served now, those of the reserve left out"),
    counter(
        "holdfast_http_connections_refused_total",
        &["reason"],
        "Connections that found no place: none was left in all, or none for their address",
    ),
    gauge(
        "holdfast_waiting_callers",
        &["kind"],
        "Callers who stay: open streams, and those who wait for an outcome (Prefer: wait)",
    ),
    counter(
        "holdfast_failed_authentications_total",
        &["by"],
        "Tokens, sign-ins and sessions that nobody knows, or that were not looked up because of too many before",
    ),
    counter(
        "holdfast_requests_limited_total",
        &["limit"],
        "Requests answered with 429: their caller had asked too often",
    ),
    counter("holdfast_commands_accepted_total", &["queue"], "Commands that the broker has confirmed"),
    counter(
        "holdfast_commands_refused_total",
        &["queue", "reason"],
        "Commands that the broker did not take: full, unroutable, unavailable or too slow",
    ),
    counter(
        "holdfast_webhooks_total",
        &["provider", "outcome"],
        "Webhooks: matched to a payment or charge, unmatched although they concern us, strange (about nothing of ours), or refused because too many strange ones came",
    ),
    counter(
        "holdfast_removed_rows_total",
        &["table"],
        "Rows removed because nobody asks for them any more: webhooks about no payment, sessions that are over",
    ),
    // Queues and batches.
    gauge("holdfast_consumers", &["queue"], "Runners of this process that consume from a queue now"),
    counter(
        "holdfast_messages_total",
        &["queue", "outcome"],
        "Verdicts on messages: done, retry, later, slow or dead",
    ),
    sizes("holdfast_batch_size", &["queue"], "Messages applied in one transaction"),
    times("holdfast_apply_seconds", &["queue"], "How long a batch's transaction took, commit included"),
    counter(
        "holdfast_database_outages_total",
        &["queue"],
        "Times that a batch had to wait because the database could not be used",
    ),
    // Orders.
    counter(
        "holdfast_orders_decided_total",
        &["outcome", "reason"],
        "What became of orders: held, waiting, refused for a reason, paid, expired, cancelled, refunded; counted at commit",
    ),
    counter(
        "holdfast_waits_ended_total",
        &["outcome"],
        "What became of orders that waited in line: served, or in_vain when their time was up; without those cancelled",
    ),
    times(
        "holdfast_release_lateness_seconds",
        &[],
        "How long after its deadline an unpaid hold was given back",
    ),
    counter(
        "holdfast_swept_holds_total",
        &[],
        "Overdue holds that the sweeper released because their timer was late",
    ),
    counter(
        "holdfast_woken_messages_total",
        &["kind"],
        "Lost messages that the sweeper published anew: money or effect",
    ),
    gauge("holdfast_overdue_holds", &[], "Holds past their deadline that nothing has released yet"),
    seconds("holdfast_overdue_holds_oldest_seconds", &[], "How long ago the oldest of them was due"),
    // Money.
    counter(
        "holdfast_payments_total",
        &["outcome"],
        "Payments that came to an end: captured, declined or returned",
    ),
    counter("holdfast_late_payments_total", &[], "Money that came after the payment had counted as declined"),
    counter("holdfast_charges_total", &["outcome"], "Wallet charges by card that came to an end"),
    counter("holdfast_refunds_total", &["outcome"], "Refunds that came to an end: done or refused"),
    gauge(
        "holdfast_open_payments",
        &["kind", "status"],
        "Payments, charges and refunds that a gateway has not settled yet",
    ),
    seconds(
        "holdfast_open_payments_oldest_seconds",
        &["kind", "status"],
        "How long ago the oldest of them was asked for",
    ),
    counter(
        "holdfast_gateway_calls_total",
        &["gateway", "operation", "outcome"],
        "Calls of payment gateways, those that were kept back included",
    ),
    times(
        "holdfast_gateway_call_seconds",
        &["gateway", "operation"],
        "How long a call of a payment gateway took",
    ),
    gauge(
        "holdfast_gateway_breaker_open",
        &["gateway"],
        "1 while calls are kept back because the gateway fails",
    ),
    counter(
        "holdfast_broker_refusals_total",
        &["queue", "reason"],
        "Messages the broker did not take, by queue or exchange: full, unroutable or unavailable",
    ),
    // Facts and effects.
    counter("holdfast_events_relayed_total", &[], "Facts published by the relay"),
    times(
        "holdfast_relay_lag_seconds",
        &[],
        "How old the oldest fact of a chunk was when the relay published it",
    ),
    gauge("holdfast_relay_leading", &[], "1 in the process that leads the relay of events"),
    counter("holdfast_facts_fed_total", &[], "Facts that the feed let take effect"),
    gauge("holdfast_feed_leading", &[], "1 in the process that leads the feed of effects"),
    gauge(
        "holdfast_unread_events",
        &["reader"],
        "Facts that relay, feed or figures have not read yet, at most 10,000 counted",
    ),
    seconds("holdfast_unread_events_oldest_seconds", &["reader"], "How old the oldest of them is"),
    gauge(
        "holdfast_event_log_ahead",
        &[],
        "1 while nobody reads the event log because it is ahead of the server's transaction ids",
    ),
    counter(
        "holdfast_effects_total",
        &["queue", "outcome"],
        "Mails and reports: told, nobody, too_late, refused or failed",
    ),
    gauge(
        "holdfast_open_effects",
        &[],
        "Mails and reports that are due and not told yet, at most 10,000 counted",
    ),
    seconds("holdfast_open_effects_oldest_seconds", &[], "How long the oldest of them has been due"),
    // What is left to people.
    counter("holdfast_dead_letters_total", &["queue"], "Messages set aside for a person"),
    counter(
        "holdfast_dead_letters_replayed_total",
        &[],
        "Dead letters that operators sent back to their queues",
    ),
    gauge("holdfast_dead_letters_open", &[], "Dead letters nobody has decided about, at most 10,000 counted"),
    seconds("holdfast_dead_letters_oldest_seconds", &[], "How long ago the oldest of them died"),
    gauge("holdfast_audit_violations", &["truth"], "Rows that break a truth; 0 when it holds"),
    seconds(
        "holdfast_audit_finished_timestamp_seconds",
        &[],
        "When the truths were checked last, as Unix time",
    ),
    seconds(
        "holdfast_backlog_read_timestamp_seconds",
        &[],
        "When the gauges of waiting work were read last, as Unix time",
    ),
];

/// Tells the exporter what each metric is.
pub(super) fn describe() {
    for metric in CATALOGUE {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            MetricKind::Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let mut names = BTreeSet::new();
        for Metric { name, kind, unit, labels, help } in CATALOGUE {
            assert!(names.insert(name), "{name} is there twice");
            assert!(name.starts_with("holdfast_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
            for other_unit in ["_ms", "_milliseconds", "_minutes", "_kb", "_percent"] {
                assert!(!name.ends_with(other_unit), "{name} is not in a base unit");
            }
            assert!(help.len() > 20 && !help.ends_with('.'), "{name}: {help}");
            assert!(!labels.iter().any(|label| label.ends_with("id")), "{name} is counted by an id");
        }
    }
}

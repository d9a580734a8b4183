//! Reads expressions of PromQL as far as it takes to know which metrics and labels they name.

use std::collections::BTreeSet;

use holdfast::telemetry::catalogue::{CATALOGUE, Metric, MetricKind};

const FUNCTIONS: [&str; 10] =
    ["absent", "histogram_quantile", "increase", "max", "min", "rate", "scalar", "sum", "time", "vector"];
const GROUPINGS: [&str; 4] = ["by", "on", "without", "ignoring"];
const OPERATORS: [&str; 4] = ["and", "or", "unless", "bool"];
/// What Prometheus itself says of every target.
const TARGET_LABELS: [&str; 2] = ["instance", "job"];

/// What an expression names.
#[derive(Debug, Default)]
pub struct Named {
    /// Metrics with the labels that are selected by.
    pub selectors: Vec<(String, Vec<String>)>,
    /// Labels that are grouped by.
    pub groups: BTreeSet<String>,
}

/// Reads an expression; panics on what it does not know.
pub fn read(expression: &str) -> Named {
    let mut named = Named::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() || first == '_' {
            let (word, after) = take_word(rest);
            rest = after.trim_start();
            if GROUPINGS.contains(&word) {
                let (list, after) = between(rest, '(', ')');
                named.groups.extend(list.split(',').map(|label| label.trim().to_owned()));
                rest = after;
            } else if !FUNCTIONS.contains(&word) && !OPERATORS.contains(&word) {
                assert!(!rest.starts_with('('), "unknown function {word} in {expression}");
                let mut labels = vec![];
                if rest.starts_with('{') {
                    let (matchers, after) = between(rest, '{', '}');
                    labels = matchers.split("\",").map(label_of).collect();
                    rest = after;
                }
                named.selectors.push((word.to_owned(), labels));
            }
        } else if first == '[' {
            rest = between(rest, '[', ']').1;
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    assert!(!named.selectors.is_empty(), "no metric in {expression}");
    named
}

/// The labels that a series can have; panics if there is no such series.
pub fn labels_of(series: &str) -> Vec<&'static str> {
    let is = |metric: &&Metric, suffix: &str| {
        let base = series.strip_suffix(suffix);
        metric.kind == MetricKind::Histogram && base == Some(metric.name)
    };
    let plain = |metric: &&Metric| metric.kind != MetricKind::Histogram && metric.name == series;
    let metric = CATALOGUE
        .iter()
        .find(|metric| plain(metric) || ["_bucket", "_sum", "_count"].iter().any(|suffix| is(metric, suffix)))
        .unwrap_or_else(|| panic!("nothing exports {series}"));
    let bucket = is(&metric, "_bucket").then_some("le");
    metric.labels.iter().copied().chain(TARGET_LABELS).chain(bucket).collect()
}

fn take_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c))).unwrap_or(text.len());
    text.split_at(end)
}

fn between(text: &str, open: char, close: char) -> (&str, &str) {
    let inner = text.strip_prefix(open).unwrap_or_else(|| panic!("no {open} in {text}"));
    inner.split_once(close).unwrap_or_else(|| panic!("no {close} in {text}"))
}

/// The label of a matcher such as `status="unknown"`.
fn label_of(matcher: &str) -> String {
    let label = matcher.split(['=', '!']).next().unwrap().trim();
    assert!(matcher.contains('"') && !label.is_empty(), "{matcher}");
    label.to_owned()
}

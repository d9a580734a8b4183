//! What the rates of [`super::throughput`] come to: medians, ratios and the picture.

use super::throughput::{Load, Rates};
use crate::plot::{self, Group};
use crate::report::{Row, thousands};
use crate::timing::median;

/// Their lines in the table.
pub(crate) fn rows(load: Load, rates: &Rates) -> Vec<Row> {
    let (drained_goal, live_goal) = match load {
        Load::Uniform => (7.0, 5.0),
        Load::Hot => (18.0, 12.0),
    };
    let name = |what: &str| format!("{what}, {}", load.name());
    let mut rows = vec![
        compared(name("Holds/s, drained from a full queue"), &rates.drained, &rates.sql, Some(drained_goal)),
        compared(name("Holds/s, live: publishing meanwhile"), &rates.live, &rates.sql, Some(live_goal)),
        compared(name("Holds/s, one order per transaction"), &rates.single, &rates.sql, None),
    ];
    let batched = compared(
        name("Holds/s, drained against one per transaction"),
        &rates.drained,
        &rates.single,
        Some(10.0),
    );
    rows.push(batched);
    rows.into_iter().flatten().collect()
}

/// The ratio is taken within each round, because both sides met the same machine there.
fn compared(measure: String, ours: &[f64], baseline: &[f64], goal: Option<f64>) -> Option<Row> {
    if ours.is_empty() {
        return None;
    }
    let row = Row::new(measure, format!("{}/s", thousands(median(ours))));
    let ratios: Vec<f64> = ours.iter().zip(baseline).map(|(ours, baseline)| ours / baseline).collect();
    if ratios.is_empty() {
        return Some(row);
    }
    let middle = median(&ratios);
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let row = Row {
        baseline: format!("{}/s", thousands(median(baseline))),
        ratio: format!("{middle:.1} × ({least:.1}–{most:.1})"),
        ..row
    };
    Some(match goal {
        Some(goal) => row.goal(format!("≥ {goal:.0} ×"), middle >= goal),
        None => row,
    })
}

pub(crate) fn picture(uniform: &Rates, hot: &Rates) -> String {
    let group = |heading, rates: &Rates| {
        let bars = [
            ("pgbench, 8 clients", &rates.sql),
            ("one order at a time", &rates.single),
            ("live", &rates.live),
            ("drained", &rates.drained),
        ];
        let measured = bars.into_iter().filter(|(_, rates)| !rates.is_empty());
        Group { heading, bars: measured.map(|(name, rates)| (name, median(rates))).collect() }
    };
    let groups = [group("A thousand SKUs", uniform), group("One hot SKU", hot)];
    plot::bars("Holds per second", &groups)
}

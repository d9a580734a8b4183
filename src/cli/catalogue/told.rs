//! What an import changes, in words.

use holdfast::domain::catalogue::import::{Difference, DifferenceKind};
use holdfast::http::routes::catalogue::ImportReport;
use holdfast::terminal::printable;
use serde_json::Value;

use crate::cli::output::{note, say};

/// Longer values are cut: a description is no difference that one reads on a line.
const SHOWN: usize = 40;

pub(super) fn print(report: &ImportReport, is_dry_run: bool, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    if is_dry_run {
        report.differences.iter().for_each(print_difference);
    } else {
        report
            .differences
            .iter()
            .filter(|it| matches!(it.kind, DifferenceKind::StockDiffers | DifferenceKind::StaysArchived))
            .for_each(print_difference);
    }
    for bad in &report.bad {
        let product = bad.product.as_deref().map(|product| format!(" ({product})")).unwrap_or_default();
        note!("line {}{}: {}", bad.line, printable(&product), printable(&bad.reason));
    }
    let verb = if report.is_applied { "" } else { "would be " };
    say!(
        "{} products read; {verb}made {}, {verb}changed {}; SKUs {verb}made {}, {verb}changed {}; {} bad",
        report.lines,
        report.count(DifferenceKind::ProductCreated),
        report.count(DifferenceKind::ProductChanged),
        report.count(DifferenceKind::SkuCreated),
        report.count(DifferenceKind::SkuChanged),
        report.bad.len(),
    );
    if !report.bad.is_empty() && !report.is_applied && !is_dry_run {
        note!("nothing is changed; --skip-bad takes the good ones");
    }
    Ok(())
}

fn print_difference(difference: &Difference) {
    let what = match difference.kind {
        DifferenceKind::ProductCreated => "+ product",
        DifferenceKind::ProductChanged => "~ product",
        DifferenceKind::SkuCreated => "+ sku",
        DifferenceKind::SkuChanged => "~ sku",
        DifferenceKind::StockDiffers => "! stock, not changed: sku",
        DifferenceKind::StaysArchived => "! archived, and stays so: product",
    };
    let name = difference.sku.as_deref().unwrap_or(&difference.product);
    let fields = difference.fields.iter().map(|(field, pair)| {
        let shown: Vec<String> = pair.iter().map(short).collect();
        format!("{field} {}", shown.join(" → "))
    });
    let fields: Vec<String> = fields.collect();
    let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
    say!("{what} {name} (line {}){}", difference.line, printable(&fields));
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

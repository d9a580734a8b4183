//! A file's documents on their way to the API, in portions that fit into a request.

use std::collections::HashSet;

use anyhow::{Context as _, bail};
use holdfast::domain::catalogue::import::BadLine;
use holdfast::http::routes::catalogue::ImportReport;
use holdfast::message::MAX_BODY_BYTES;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::Told;
use crate::cli::client::ApiClient;

const IMPORT: &str = "/v1/catalogue/import";
/// As many as the API writes well within its time.
const LINES_AT_ONCE: usize = 300;

/// A file that was checked as a whole.
pub(super) struct Checked {
    portions: Vec<Vec<u8>>,
    /// What it changes, and what is bad.
    pub(super) report: ImportReport,
}

/// Checks all that a file says, and changes nothing.
pub(super) async fn check(api: &ApiClient, told: Told) -> anyhow::Result<Checked> {
    let Told { lines, mut bad } = told;
    let portions = portions(once(lines, &mut bad), &mut bad);
    let bar = bar("checked", portions.len())?;
    let mut report = ImportReport::default();
    for portion in &portions {
        let part = api.send_lines(&format!("{IMPORT}?dry_run=true"), portion.clone()).await?;
        add(&mut report, part);
        bar.inc(1);
    }
    bar.finish_and_clear();
    report.bad.extend(bad);
    report.bad.sort_by_key(|bad| bad.line);
    Ok(Checked { portions, report })
}

/// Carries out what was checked.
pub(super) async fn apply(api: &ApiClient, checked: Checked, skip_bad: bool) -> anyhow::Result<ImportReport> {
    let bar = bar("written", checked.portions.len())?;
    let mut report = ImportReport { bad: checked.report.bad, is_applied: true, ..ImportReport::default() };
    let count = checked.portions.len();
    for (done, portion) in checked.portions.into_iter().enumerate() {
        let part: ImportReport = api
            .send_lines(&format!("{IMPORT}?skip_bad={skip_bad}"), portion)
            .await
            .with_context(|| format!("{done} of {count} portions are written; run it again for the rest"))?;
        if !part.is_applied && !part.bad.is_empty() {
            let reason = part.bad.first().map(|bad| format!("line {}: {}", bad.line, bad.reason));
            bail!(
                "the catalogue has changed since it was checked ({}); {done} of {count} portions are written; run it again",
                reason.unwrap_or_default()
            );
        }
        report.differences.extend(part.differences);
        report.lines += part.lines;
        // What went bad since it was checked is skipped as well, and told.
        let is_new = |bad: &BadLine| report.bad.iter().all(|known| known.line != bad.line);
        let new: Vec<BadLine> = part.bad.into_iter().filter(is_new).collect();
        report.bad.extend(new);
        bar.inc(1);
    }
    bar.finish_and_clear();
    report.bad.sort_by_key(|bad| bad.line);
    Ok(report)
}

fn add(report: &mut ImportReport, part: ImportReport) {
    report.lines += part.lines;
    report.differences.extend(part.differences);
    report.bad.extend(part.bad);
}

/// Shown on a terminal only; a log or a pipe gets the result alone.
fn bar(what: &str, portions: usize) -> anyhow::Result<ProgressBar> {
    let style = format!("{{bar:40}} {{pos}} of {{len}} portions {what} ({{elapsed}}, {{eta}} to go)");
    Ok(ProgressBar::new(portions as u64).with_style(ProgressStyle::with_template(&style)?))
}

fn bad_line(document: &Value, reason: String) -> BadLine {
    let line = document["line"].as_u64().unwrap_or_default();
    BadLine { line, product: document["product"].as_str().map(str::to_owned), reason }
}

/// Lines that name a product, and SKUs, that no line before them does: no portion knows what is in another.
fn once(lines: Vec<String>, bad: &mut Vec<BadLine>) -> Vec<String> {
    let (mut products, mut skus) = (HashSet::new(), HashSet::new());
    let mut is_new = |line: &String| {
        let document: Value = serde_json::from_str(line).unwrap_or_default();
        if !document["product"].as_str().is_none_or(|product| products.insert(product.to_owned())) {
            bad.push(bad_line(&document, "the product has another line before".to_owned()));
            return false;
        }
        let named = document["skus"].as_array().into_iter().flatten().filter_map(|sku| sku["sku"].as_str());
        match named.map(str::to_owned).find(|sku| !skus.insert(sku.clone())) {
            Some(sku) => bad.push(bad_line(&document, format!("{sku} is named before"))),
            None => return true,
        }
        false
    };
    lines.into_iter().filter(|line| is_new(line)).collect()
}

/// Lines together, as many as fit. One that fits into no request is bad.
fn portions(lines: Vec<String>, bad: &mut Vec<BadLine>) -> Vec<Vec<u8>> {
    let mut portions: Vec<Vec<u8>> = vec![];
    let mut count = 0;
    for line in lines {
        if line.len() >= MAX_BODY_BYTES {
            let document = serde_json::from_str(&line).unwrap_or_default();
            bad.push(bad_line(&document, format!("it has more than {MAX_BODY_BYTES} bytes")));
            continue;
        }
        match portions.last_mut() {
            Some(last) if count < LINES_AT_ONCE && last.len() + line.len() < MAX_BODY_BYTES => {
                last.extend(line.as_bytes());
                last.push(b'\n');
                count += 1;
            }
            _ => {
                portions.push(format!("{line}\n").into_bytes());
                count = 1;
            }
        }
    }
    portions
}

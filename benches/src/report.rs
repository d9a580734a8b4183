//! The table of results.

use std::fmt::Write as _;

use holdfast::clock;

use crate::servers::Servers;

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) measure: String,
    pub(crate) ours: String,
    /// What it is compared with.
    pub(crate) baseline: String,
    pub(crate) ratio: String,
    pub(crate) goal: String,
    pub(crate) met: Option<bool>,
}

impl Row {
    /// A result without a baseline.
    pub(crate) fn new(measure: impl Into<String>, ours: impl Into<String>) -> Self {
        let none = String::new();
        Self {
            measure: measure.into(),
            ours: ours.into(),
            baseline: none.clone(),
            ratio: none.clone(),
            goal: none,
            met: None,
        }
    }

    /// With the goal, and whether it is met.
    pub(crate) fn goal(self, goal: impl Into<String>, met: bool) -> Self {
        Self { goal: goal.into(), met: Some(met), ..self }
    }

    fn cells(&self) -> [&str; 6] {
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        [&self.measure, &self.ours, &self.baseline, &self.ratio, &self.goal, met]
    }
}

const HEADINGS: [&str; 6] = ["Measure", "Holdfast", "Baseline", "Ratio", "Goal", "Met"];

/// The rows as a Markdown table whose columns line up, so that it reads as well in a terminal.
pub(crate) fn table(rows: &[Row]) -> String {
    let lines: Vec<[&str; 6]> = std::iter::once(HEADINGS).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            for width in widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}

pub(crate) async fn page(rows: &[Row], servers: &Servers, repeats: usize) -> anyhow::Result<String> {
    let cpus = std::thread::available_parallelism()?;
    let (date, versions) = (clock::now().date_naive(), servers.versions().await?);
    Ok(format!(
        "# Measurements\n\n\
         Measured by `make bench` on {date} with {cpus} CPUs, {versions}. Clients, API, workers, broker and \
         database share the machine; the servers keep their durable settings.\n\n\
         The baseline of the rates is pgbench: 8 clients that write the same rows by hand-written SQL, one order \
         per transaction. Rates and their ratios are medians of {repeats} rounds, in which all kinds take turns; \
         the ratio's range over the rounds follows. Rates, latencies and lateness end with the commit, by \
         PostgreSQL's commit timestamps. After every measurement `holdfast audit` found every truth to hold.\n\n\
         ![Holds per second](report.svg)\n\n{}",
        table(rows)
    ))
}

/// 12345.6 as "12,346".
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

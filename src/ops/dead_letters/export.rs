//! Dead letters as JSON lines and CSV, page by page, never all of them in memory.

use serde::Deserialize;
use sqlx::PgConnection;

use super::body::Body;
use super::detail::LetterView;
use crate::store::dead_letters;
use crate::store::dead_letters::filter::DeadLetterFilter;
use crate::store::dead_letters::lists::{LetterPosition, Page};

/// Dead letters read at once; a body has up to 64 KiB.
const ROWS_AT_ONCE: usize = 200;

/// How dead letters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExportFormat)]
pub enum Format {
    /// A JSON document on each line.
    Jsonl,
    /// Comma-separated values with a line of names, safe to open in a spreadsheet.
    Csv,
}

impl Format {
    /// What a browser is told.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/jsonl; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// What a file of it is called.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Jsonl => "dead-letters.jsonl",
            Self::Csv => "dead-letters.csv",
        }
    }
}

const COLUMNS: [&str; 18] = [
    "id",
    "status",
    "queue",
    "message_type",
    "error_class",
    "error_text",
    "order_id",
    "customer_id",
    "skus",
    "message_id",
    "trace_id",
    "attempts",
    "death_count",
    "replay_count",
    "first_died_at",
    "last_died_at",
    "headers",
    "body",
];

/// An export on its way: what is written next, and from where on.
#[derive(Debug, Clone)]
pub struct Export {
    filter: DeadLetterFilter,
    format: Format,
    after: Option<LetterPosition>,
    is_first: bool,
    is_done: bool,
}

impl Export {
    /// Of all that match.
    pub fn new(filter: DeadLetterFilter, format: Format) -> Self {
        Self { filter, format, after: None, is_first: true, is_done: false }
    }

    /// The next piece of text: up to two hundred dead letters.
    pub async fn next(&mut self, conn: &mut PgConnection) -> sqlx::Result<Vec<u8>> {
        let Page { letters, next } =
            dead_letters::lists::whole_page(conn, &self.filter, self.after, ROWS_AT_ONCE).await?;
        let letters = letters.into_iter().map(LetterView::from);
        let piece = match self.format {
            Format::Jsonl => letters.flat_map(|letter| json_line(&letter)).collect(),
            Format::Csv => csv_lines(letters, self.is_first),
        };
        (self.after, self.is_first, self.is_done) = (next, false, next.is_none());
        Ok(piece)
    }

    /// Whether there is nothing more to come.
    pub fn is_done(&self) -> bool {
        self.is_done
    }
}

fn json_line(letter: &LetterView) -> Vec<u8> {
    let mut line = serde_json::to_vec(letter).expect("a dead letter has string keys");
    line.push(b'\n');
    line
}

fn csv_lines(letters: impl Iterator<Item = LetterView>, with_names: bool) -> Vec<u8> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    if with_names {
        lines.write_record(COLUMNS).expect("a vector takes all");
    }
    for letter in letters {
        lines.write_record(cells(&letter).map(harmless)).expect("every record has all columns");
    }
    lines.into_inner().expect("a vector takes all")
}

fn cells(letter: &LetterView) -> [String; 18] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        letter.id.to_string(),
        letter.status.name().to_owned(),
        letter.queue.clone(),
        letter.message_type.clone(),
        letter.error_class.clone(),
        letter.error_text.clone(),
        letter.order_id.map(|id| id.to_string()).unwrap_or_default(),
        text(&letter.customer_id),
        letter.skus.join(" "),
        letter.message_id.clone(),
        text(&letter.trace_id),
        letter.attempts.to_string(),
        letter.death_count.to_string(),
        letter.replay_count.to_string(),
        letter.first_died_at.to_rfc3339(),
        letter.last_died_at.to_rfc3339(),
        letter.headers.to_string(),
        match &letter.body {
            Body::Text(text) => text.clone(),
            Body::Hex { hex } => format!("hex:{hex}"),
        },
    ]
}

/// A cell that no spreadsheet takes for a formula.
pub fn harmless(cell: String) -> String {
    let begins = cell.starts_with(['\t', '\r', '\n'])
        || cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if begins { format!("'{cell}") } else { cell }
}

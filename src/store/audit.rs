//! The truths that always hold, checked by SQL while everything goes on. Each is one statement on a snapshot of its own, or,
//! where it sums a table that grows, one statement for each piece of its keys: no snapshot is held for long, as it would keep
//! the dead rows of everything that happens meanwhile. A piece holds all that it compares, so orders in motion break nothing.

pub mod results;
mod shop_truths;
mod truths;

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use uuid::Uuid;

pub use truths::TRUTHS;

/// Something that must be so at every moment, under any fault.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// Its name, also the label of its metric.
    pub name: &'static str,
    /// What it is checked by, piece by piece: keys after `$1` up to `$2`. Without it the whole of it is one statement, because it
    /// looks at little, or because no index leads to its pieces.
    pieces: Option<Key>,
    /// Selects a text naming each row that breaks it.
    broken_by: &'static str,
}

/// How many rows broke a truth, and the first of them.
#[derive(Debug, Clone)]
pub struct Finding {
    pub truth: &'static str,
    /// Rows that break it.
    pub violations: i64,
    /// Up to five of them.
    pub examples: Vec<String>,
}

impl Finding {
    fn none(truth: &'static str) -> Self {
        Self { truth, violations: 0, examples: vec![] }
    }
}

/// A hold may outlive its deadline by this while PostgreSQL and one worker live.
pub const MAX_OVERDUE_SECONDS: i64 = 60;
/// Keys of one piece.
const KEYS_AT_ONCE: i64 = 50_000;
/// Examples that are kept of a broken truth.
const EXAMPLES: usize = 5;
/// How long one statement may take; a piece takes a second or so.
pub const STATEMENT_LIMIT: Duration = Duration::from_secs(600);

/// What the pieces of a truth are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Order,
    Payment,
    Refund,
    Charge,
    Transaction,
    /// The customer, by their orders.
    Customer,
    /// The customer, by the ledger's entries.
    Purse,
}

/// A key that a piece ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bound {
    Id(Uuid),
    Customer(String),
}

impl Key {
    /// Selects the key that is so many rows after another one.
    fn walk(self) -> &'static str {
        match self {
            Self::Order => "SELECT id FROM orders WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1",
            Self::Payment => "SELECT id FROM payments WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1",
            Self::Refund => "SELECT id FROM refunds WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1",
            Self::Charge => "SELECT id FROM charges WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1",
            Self::Transaction => {
                "SELECT transaction_id FROM ledger_entries WHERE transaction_id > $1
                  ORDER BY transaction_id OFFSET $2 LIMIT 1"
            }
            Self::Customer => {
                "SELECT customer_id FROM orders WHERE customer_id > $1 ORDER BY customer_id OFFSET $2 LIMIT 1"
            }
            Self::Purse => {
                "SELECT customer_id FROM ledger_entries WHERE customer_id > $1
                  ORDER BY customer_id OFFSET $2 LIMIT 1"
            }
        }
    }

    /// Below all keys, and above them.
    fn ends(self) -> (Bound, Bound) {
        match self {
            // Names are visible ASCII, and compare byte by byte.
            Self::Customer | Self::Purse => {
                (Bound::Customer(String::new()), Bound::Customer("\u{7f}".to_owned()))
            }
            _ => (Bound::Id(Uuid::nil()), Bound::Id(Uuid::max())),
        }
    }
}

/// An audit on its way. A step that fails can be taken again, and the audit goes on from there.
#[derive(Debug)]
pub struct Audit {
    keys_at_once: i64,
    /// How many truths are checked.
    checked: usize,
    /// The last key of the last piece of the truth that is being checked.
    after: Option<Bound>,
    current: Finding,
}

impl Default for Audit {
    fn default() -> Self {
        Self::by_pieces_of(KEYS_AT_ONCE)
    }
}

impl Audit {
    /// An audit with so many keys in a piece.
    pub fn by_pieces_of(keys_at_once: i64) -> Self {
        Self { keys_at_once, checked: 0, after: None, current: Finding::none(TRUTHS[0].name) }
    }

    /// The truth that is checked next, if there is one.
    pub fn next(&self) -> Option<&'static str> {
        TRUTHS.get(self.checked).map(|truth| truth.name)
    }

    /// Whether that truth is checked piece by piece.
    pub fn is_in_pieces(&self) -> bool {
        TRUTHS.get(self.checked).is_some_and(|truth| truth.pieces.is_some())
    }

    /// Checks the next piece. Returns what was found out about a truth when it is checked to its end.
    pub async fn step(&mut self, conn: &mut PgConnection) -> sqlx::Result<Option<Finding>> {
        let Some(truth) = TRUTHS.get(self.checked) else { return Ok(None) };
        let mut tx = conn.begin().await?;
        set_up(&mut tx, truth).await?;
        let (row, after) = match truth.pieces {
            None => (sqlx::query(AssertSqlSafe(counting(truth))).fetch_one(&mut *tx).await?, None),
            Some(key) => {
                let (first, last) = key.ends();
                let from = self.after.clone().unwrap_or(first);
                let end = walk(&mut tx, key, &from, self.keys_at_once).await?;
                let until = end.clone().unwrap_or(last);
                (piece(&mut tx, truth, from, until).await?, end)
            }
        };
        tx.commit().await?;
        self.current.violations += row.try_get::<i64, _>("violations")?;
        self.current.examples.extend(row.try_get::<Option<Vec<String>>, _>("examples")?.unwrap_or_default());
        self.current.examples.truncate(EXAMPLES);
        self.after = after;
        Ok(if self.after.is_none() { Some(self.go_on()) } else { None })
    }

    /// Leaves the truth that is being checked alone: it cannot be checked now. Returns its name.
    pub fn skip(&mut self) -> &'static str {
        self.go_on().truth
    }

    fn go_on(&mut self) -> Finding {
        self.checked += 1;
        self.after = None;
        let next = Finding::none(self.next().unwrap_or_default());
        std::mem::replace(&mut self.current, next)
    }
}

/// The sums run over whole tables and pieces; the limits and plans of ordinary statements are not for them. A piece is read by
/// its keys and joined by hash, whatever the statistics say: one that was expected to be small took ten minutes.
async fn set_up(tx: &mut PgConnection, truth: &Truth) -> sqlx::Result<()> {
    let scans = if truth.pieces.is_some() { "off" } else { "on" };
    sqlx::query("SET TRANSACTION READ ONLY").execute(&mut *tx).await?;
    sqlx::query(
        "SELECT set_config('statement_timeout', $1, true), set_config('enable_seqscan', $2, true),
                set_config('enable_nestloop', $2, true), set_config('enable_hashjoin', 'on', true),
                set_config('enable_mergejoin', 'on', true)",
    )
    .bind(STATEMENT_LIMIT.as_millis().to_string())
    .bind(scans)
    .execute(tx)
    .await?;
    Ok(())
}

/// The text is made of the constants of [`TRUTHS`] only.
fn counting(truth: &Truth) -> String {
    format!(
        "SELECT count(*) AS violations, (array_agg(broken.row))[1:{EXAMPLES}] AS examples FROM ({}) AS broken",
        truth.broken_by
    )
}

async fn walk(tx: &mut PgConnection, key: Key, from: &Bound, keys: i64) -> sqlx::Result<Option<Bound>> {
    Ok(match from {
        Bound::Id(id) => {
            let end = sqlx::query_scalar(key.walk()).bind(id).bind(keys).fetch_optional(tx).await?;
            end.map(Bound::Id)
        }
        Bound::Customer(name) => {
            let end = sqlx::query_scalar(key.walk()).bind(name).bind(keys).fetch_optional(tx).await?;
            end.map(Bound::Customer)
        }
    })
}

async fn piece(tx: &mut PgConnection, truth: &Truth, from: Bound, until: Bound) -> sqlx::Result<PgRow> {
    let mut query = sqlx::query(AssertSqlSafe(counting(truth)));
    for bound in [from, until] {
        query = match bound {
            Bound::Id(id) => query.bind(id),
            Bound::Customer(name) => query.bind(name),
        };
    }
    query.fetch_one(tx).await
}

pub async fn check(conn: &mut PgConnection) -> sqlx::Result<Vec<Finding>> {
    check_by(conn, Audit::default()).await
}

/// Takes every step of an audit.
pub async fn check_by(conn: &mut PgConnection, mut audit: Audit) -> sqlx::Result<Vec<Finding>> {
    let mut findings = Vec::with_capacity(TRUTHS.len());
    while audit.next().is_some() {
        findings.extend(audit.step(&mut *conn).await?);
    }
    Ok(findings)
}

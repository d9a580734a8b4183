//! Locks on names: advisory, until the transaction ends. They hold back nobody but those who lock the same name.
//!
//! Each takes a place in a table that all sessions of the server share, and a full table fails whoever comes next, whatever
//! they want. So of each kind of name at most a quarter of the table is taken: only so many transactions may lock many names
//! at once, each of which has one of the `lock_slots`; the others wait. Few names need no slot: the table has room for a
//! certain number per connection anyway, and a quarter of that is never short.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What is locked by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Customers, of whom at most so many at once.
    Customers {
        /// As many as a batch of orders has.
        at_most: usize,
    },
    /// The gateway's names of payments.
    PaymentKeys,
}

impl Named {
    /// The lock of slots of this kind: the first of two keys, and so in no other lock's way.
    pub const fn slots(self) -> i32 {
        match self {
            Self::Customers { .. } => 0x686f_6c64,
            Self::PaymentKeys => 0x686f_6c65,
        }
    }

    /// Keeps the names of one kind apart from those of another.
    const fn seed(self) -> i64 {
        match self {
            Self::Customers { .. } => 0,
            Self::PaymentKeys => 1,
        }
    }

    fn largest(self) -> i32 {
        match self {
            Self::Customers { at_most } => i32::try_from(at_most.max(1)).unwrap_or(i32::MAX),
            // The batches of `payment.confirm` are the largest.
            Self::PaymentKeys => 250,
        }
    }
}

/// Locks these names, in order, until the transaction ends, and a slot before them if they are many. Returns the
/// transaction's time. A transaction may do this once for each kind: whoever has a slot must not wait for another.
pub async fn lock(conn: &mut PgConnection, kind: Named, names: &[&str]) -> sqlx::Result<DateTime<Utc>> {
    // A statement's parts run in the order in which they need each other: the room, a slot, the names.
    let row = sqlx::query!(
        r#"WITH server AS MATERIALIZED (
               SELECT current_setting('max_locks_per_transaction')::int AS locks,
                      current_setting('max_connections')::int AS connections),
           room AS MATERIALIZED (
               SELECT cardinality($1::text[]) <= locks / 4 AS is_enough, lock_slots(locks, connections, $2) AS slots
                 FROM server),
           slot AS MATERIALIZED (
               SELECT CASE WHEN is_enough THEN 'none is needed'
                           ELSE coalesce(
                               (SELECT 'was free' FROM generate_series(1, slots) AS try
                                 WHERE pg_try_advisory_xact_lock($3, (pg_backend_pid() + try) % slots) LIMIT 1),
                               pg_advisory_xact_lock($3, pg_backend_pid() % slots)::text)
                      END AS taken
                 FROM room)
           SELECT now() AS "now!", count(locked.done) AS locked
             FROM slot CROSS JOIN LATERAL (
                  SELECT pg_advisory_xact_lock(keys.key)::text AS done
                    FROM (SELECT DISTINCT hashtextextended(name, $4) AS key FROM unnest($1::text[]) AS name
                           WHERE slot.taken IS NOT NULL ORDER BY 1) AS keys) AS locked"#,
        names as &[&str],
        kind.largest(),
        kind.slots(),
        kind.seed(),
    )
    .fetch_one(conn)
    .await?;
    Ok(row.now)
}

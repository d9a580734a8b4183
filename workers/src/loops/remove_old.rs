//! Removes what nobody asks for any more, some rows at a time: webhooks about no payment, sessions that are over, what was
//! good for a sign-in once, carts that nobody uses or that are too many, and checkouts that are settled. What removes the rows
//! of the other tables stands in `docs/tables.md`.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use holdfast::store;
use holdfast::store::carts::{self, Idle, checkouts};
use holdfast::store::customer_sessions;
use holdfast::store::operators::sessions;
use holdfast::store::webhooks;
use metrics::counter;
use sqlx::{PgConnection, PgPool};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::portion::Portion;
use crate::engine::context::Context;

const INTERVAL: Duration = Duration::from_secs(60);
/// A statement that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(10);
/// Rows removed by one statement.
const AT_ONCE: i64 = 1_000;
/// After this time the next table has its turn, however many rows are left.
const TURN: Duration = Duration::from_secs(10);

/// Carts that nobody used for so long are removed. A guest does not come back after that, and anybody can make up guests.
const GUEST_CART_DAYS: i32 = 14;
const CUSTOMER_CART_DAYS: i32 = 90;
/// For so long the key of a checkout asks for the same items again.
const SETTLED_CHECKOUT_DAYS: i32 = 30;

/// Rows that somebody removes.
#[derive(Debug, Clone, Copy)]
enum Old {
    /// Webhooks about no payment, after so many days. Each statement begins where the one before ended: what that one removed
    /// need not be walked again.
    Webhooks { days: i32, from: Option<DateTime<Utc>> },
    /// Sessions that are over.
    Sessions,
    /// Those of customers.
    CustomerSessions,
    /// Links and words of a shop that were spent, and are no good any more.
    SpentSignIns,
    /// Carts that nobody used for so many days, and what is in them.
    Carts(Idle, i32),
    /// Carts that strangers began, beyond so many: those that nobody has used since a moment, once that is known.
    CartsOfStrangers { most: i64, since: Option<DateTime<Utc>> },
    /// Checkouts that were settled a while ago.
    Checkouts,
}

impl Old {
    fn table(self) -> &'static str {
        match self {
            Self::Webhooks { .. } => "webhooks",
            Self::Sessions => "sessions",
            Self::CustomerSessions => "customer_sessions",
            Self::SpentSignIns => "spent_sign_ins",
            Self::Carts(..) | Self::CartsOfStrangers { .. } => "carts",
            Self::Checkouts => "cart_checkouts",
        }
    }

    /// Removes the oldest `at_most` of them. Returns how many there were, and what is left to remove.
    async fn remove_some(self, conn: &mut PgConnection, at_most: i64) -> sqlx::Result<(i64, Self)> {
        match self {
            Self::Webhooks { days, from } => {
                let (removed, last) = webhooks::remove_unmatched(conn, days, from, at_most).await?;
                Ok((removed, Self::Webhooks { days, from: last.or(from) }))
            }
            Self::Sessions => Ok((sessions::remove_ended(conn, at_most).await?, self)),
            Self::CustomerSessions => Ok((customer_sessions::remove_ended(conn, at_most).await?, self)),
            Self::SpentSignIns => Ok((customer_sessions::remove_spent(conn, at_most).await?, self)),
            Self::Carts(kind, days) => Ok((carts::remove_idle(conn, kind, days, at_most).await?, self)),
            Self::CartsOfStrangers { most, since } => {
                let since = match since {
                    Some(since) => Some(since),
                    None => carts::too_many_of_strangers(conn, most).await?,
                };
                let Some(last_used) = since else { return Ok((0, self)) };
                let removed = carts::remove_of_strangers(conn, last_used, at_most).await?;
                Ok((removed, Self::CartsOfStrangers { most, since }))
            }
            Self::Checkouts => {
                Ok((checkouts::remove_settled(conn, SETTLED_CHECKOUT_DAYS, at_most).await?, self))
            }
        }
    }

    /// Removes portion by portion until none is left, its turn is over, or it may not go on.
    async fn remove(self, pool: &PgPool, portion: &mut Portion, may_go_on: impl Fn() -> bool) {
        let (started, table) = (Instant::now(), self.table());
        let (mut left, mut total) = (self, 0);
        while may_go_on() {
            let at_once = portion.size();
            let some = store::within(pool, LIMIT, async |conn| left.remove_some(conn, at_once).await).await;
            match some {
                Ok((removed, next)) => {
                    left = next;
                    portion.went_well();
                    total += removed;
                    counter!("holdfast_removed_rows_total", "table" => table)
                        .increment(removed.unsigned_abs());
                    if removed < at_once || started.elapsed() > TURN {
                        break;
                    }
                }
                Err(error) => {
                    portion.failed(&error);
                    warn!(%error, table, "cannot remove old rows now");
                    break;
                }
            }
        }
        if total > 0 {
            info!(total, table, "removed rows that nobody asks for any more");
        }
    }
}

/// Removes once a minute until told to stop. Processes that do so at once remove each row once.
pub(crate) async fn run(context: Context, unmatched_webhook_days: u16, guest_carts: u32) {
    let Context { pool, stop, gate, .. } = context;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let of = |old| (old, Portion::of(AT_ONCE));
    let mut all = [
        of(Old::Webhooks { days: unmatched_webhook_days.into(), from: None }),
        of(Old::Sessions),
        of(Old::CustomerSessions),
        of(Old::SpentSignIns),
        of(Old::Carts(Idle::OfGuests, GUEST_CART_DAYS)),
        of(Old::Carts(Idle::OfCustomers, CUSTOMER_CART_DAYS)),
        of(Old::CartsOfStrangers { most: guest_carts.into(), since: None }),
        of(Old::Checkouts),
    ];
    let may_go_on = || gate.is_open() && !stop.is_cancelled();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if stop.run_until_cancelled(gate.opened()).await.is_none() {
            return;
        }
        for (old, portion) in &mut all {
            old.remove(&pool, portion, may_go_on).await;
        }
    }
}

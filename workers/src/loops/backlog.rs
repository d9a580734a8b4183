//! Shows how much waits for somebody, and for how long, as metrics. Every process that does so shows the same numbers.

use std::time::Duration;

use holdfast::store::events::cursors::Cursor;
use holdfast::store::events::restored_log;
use holdfast::store::workers::backlog::{self, Waiting, WaitingMoney};
use holdfast::{clock, store};
use metrics::gauge;
use sqlx::PgConnection;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::engine::context::Context;

const INTERVAL: Duration = Duration::from_secs(15);
/// Looks take milliseconds. A database that needs longer has no time for them.
const LIMIT: Duration = Duration::from_secs(5);
/// Further than this a metric need not tell apart.
const COUNTED_AT_MOST: i64 = 10_000;
/// What money can wait for: shown as 0 when none does.
const OPEN: [(&str, &str); 7] = [
    ("payment", "requesting"),
    ("payment", "unknown"),
    ("payment", "returning"),
    ("charge", "requesting"),
    ("charge", "unknown"),
    ("charge", "returning"),
    ("refund", "requesting"),
];

/// Looks every 15 seconds until told to stop.
pub(crate) async fn run(Context { pool, stop, .. }: Context) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let look = store::within(&pool, LIMIT, async |conn| BacklogGauges::look(conn).await);
        match stop.run_until_cancelled(look).await {
            Some(Ok(backlog)) => backlog.show(),
            Some(Err(error)) => warn!(%error, "cannot count what waits now"),
            None => return,
        }
    }
}

struct BacklogGauges {
    dead_letters: Waiting,
    overdue_holds: Waiting,
    effects: Waiting,
    unread: Vec<(&'static str, Waiting)>,
    is_ahead: bool,
    money: Vec<WaitingMoney>,
}

impl BacklogGauges {
    async fn look(conn: &mut PgConnection) -> sqlx::Result<Self> {
        let mut unread = Vec::with_capacity(Cursor::ALL.len());
        for (cursor, reader) in Cursor::ALL {
            unread.push((reader, backlog::unread(conn, cursor, COUNTED_AT_MOST).await?));
        }
        Ok(Self {
            dead_letters: backlog::dead_letters(conn, COUNTED_AT_MOST).await?,
            overdue_holds: backlog::overdue_holds(conn, COUNTED_AT_MOST).await?,
            effects: backlog::effects(conn, COUNTED_AT_MOST).await?,
            unread,
            is_ahead: restored_log::notice(conn).await?,
            money: backlog::open_money(conn, COUNTED_AT_MOST).await?,
        })
    }

    fn show(&self) {
        gauge!("holdfast_dead_letters_open").set(self.dead_letters.count as f64);
        gauge!("holdfast_dead_letters_oldest_seconds").set(self.dead_letters.oldest_seconds);
        gauge!("holdfast_overdue_holds").set(self.overdue_holds.count as f64);
        gauge!("holdfast_overdue_holds_oldest_seconds").set(self.overdue_holds.oldest_seconds);
        gauge!("holdfast_open_effects").set(self.effects.count as f64);
        gauge!("holdfast_open_effects_oldest_seconds").set(self.effects.oldest_seconds);
        gauge!("holdfast_event_log_ahead").set(if self.is_ahead { 1.0 } else { 0.0 });
        for (reader, waiting) in &self.unread {
            let reader = *reader;
            gauge!("holdfast_unread_events", "reader" => reader).set(waiting.count as f64);
            gauge!("holdfast_unread_events_oldest_seconds", "reader" => reader).set(waiting.oldest_seconds);
        }
        for (kind, status) in OPEN {
            let open = self.money.iter().find(|open| open.kind == kind && open.status == status);
            let (count, oldest) = open.map_or((0, 0.0), |open| (open.count, open.oldest_seconds));
            let labels = [("kind", kind), ("status", status)];
            gauge!("holdfast_open_payments", &labels).set(count as f64);
            gauge!("holdfast_open_payments_oldest_seconds", &labels).set(oldest);
        }
        gauge!("holdfast_backlog_read_timestamp_seconds").set(clock::now().timestamp() as f64);
    }
}

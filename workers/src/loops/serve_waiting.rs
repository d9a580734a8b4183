//! The lines, looked at once a second: ends waits whose time is up, and serves those whose turn has come without anything of
//! theirs coming free, as when a sale begins, and whoever was passed over because somebody else had their order or a SKU of it
//! locked. In health it finds nothing else: whatever frees units gives them to those who wait in the same transaction.

use std::time::{Duration, Instant};

use holdfast::broker::wake_up::{Timers, WakeUp};
use holdfast::domain::ids::SkuId;
use holdfast::message::Queue;
use holdfast::pool::Pool;
use holdfast::store;
use holdfast::store::waiting::{self, Served};
use metrics::counter;
use sqlx::{Connection as _, PgPool};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::engine::context::Context;
use crate::engine::served;

const INTERVAL: Duration = Duration::from_secs(1);
/// A transaction that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(30);
/// Waits that are ended at once.
const ENDED_AT_ONCE: i64 = 500;
/// SKUs with a line that are looked at in one round; the next goes on behind them.
const LOOKED_AT: i64 = 1_000;
/// Transactions in one round for one line: so many buyers of one sale that begins are held within a second.
const TURNS: usize = 25;

/// Looks at the lines until told to stop.
pub async fn run(context: Context) {
    let orders = context.pauses.gate(Pool::Commands(Queue::OrderHold));
    let Context { pool, publisher, bell, stop, gate, .. } = context;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut after = None;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if !gate.is_open() {
            continue;
        }
        let over = end_some(&pool).await;
        // An operator who pauses `order.hold` wants no holds to begin by themselves. What is freed goes to the line all the same.
        let mut timers = Timers::default();
        let looked =
            if orders.is_open() { serve_some(&pool, &mut after, &mut timers).await } else { Ok((0, 0)) };
        match over.and_then(|over| looked.map(|(served, ended)| (served, ended + over))) {
            Ok((0, 0)) => {}
            Ok((served, ended)) => {
                bell.ring();
                counter!("holdfast_waits_ended_total", "outcome" => "served").increment(served as u64);
                counter!("holdfast_waits_ended_total", "outcome" => "in_vain").increment(ended as u64);
                info!(served, ended, "looked at the lines of those who wait");
            }
            Err(error) => warn!(%error, "cannot look at the lines of those who wait now"),
        }
        served::order(timers, &publisher).await;
    }
}

/// One look: serves some lines behind the last one looked at. Returns how many were served, and how many were found whose wait
/// is over.
pub async fn look(pool: &PgPool, after: &mut Option<SkuId>) -> sqlx::Result<(usize, usize)> {
    serve_some(pool, after, &mut Timers::default()).await
}

/// One look, and the timers of the holds that begin by it.
async fn serve_some(
    pool: &PgPool,
    after: &mut Option<SkuId>,
    timers: &mut Timers,
) -> sqlx::Result<(usize, usize)> {
    let lines =
        store::within(pool, LIMIT, async |conn| waiting::lines_after(conn, *after, LOOKED_AT).await).await?;
    *after = lines.last;
    let (mut served, mut ended) = (0, 0);
    for sku in lines.to_serve {
        for _ in 0..TURNS {
            match serve_once(pool, sku).await {
                Ok((began, turn)) => {
                    (served, ended) = (served + turn.holds.len(), ended + turn.ended);
                    timers.add(began, WakeUp::group(turn.holds, turn.now));
                    if !turn.has_moved {
                        break;
                    }
                }
                // One bad line keeps nobody in another from their turn.
                Err(error) => {
                    warn!(%error, sku = sku.0, "cannot serve a line now");
                    break;
                }
            }
        }
    }
    Ok((served, ended))
}

/// One transaction over the beginning of a line, and when it began.
async fn serve_once(pool: &PgPool, sku: SkuId) -> sqlx::Result<(Instant, Served)> {
    store::within(pool, LIMIT, async |conn| {
        let mut tx = conn.begin().await?;
        let began = Instant::now();
        let turn = waiting::serve(&mut tx, &[sku]).await?;
        tx.commit().await?;
        Ok((began, turn))
    })
    .await
}

/// Ends some of the waits whose time is up.
pub async fn end_some(pool: &PgPool) -> sqlx::Result<usize> {
    store::within(pool, LIMIT, async |conn| {
        let mut tx = conn.begin().await?;
        let orders = waiting::ended(&mut tx, ENDED_AT_ONCE).await?;
        let ended = waiting::end(&mut tx, &orders).await?;
        tx.commit().await?;
        Ok(ended)
    })
    .await
}

//! Figures: counts facts per minute and how late holds were released, and notes when each queue was last empty. All of it
//! is for people who look at the console, and costs the orders as little as it can.

use std::time::Duration;

use holdfast::broker::connection::Connector;
use holdfast::broker::depth::depths;
use holdfast::broker::topology::{UNREADABLE, dead_queues};
use holdfast::message::Queue;
use holdfast::store;
use holdfast::store::events::cursors::{self, Cursor};
use holdfast::store::events::figures;
use holdfast::store::workers::queue_looks;
use sqlx::{Connection as _, PgPool};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use super::portion::Portion;
use crate::engine::context::Context;

const INTERVAL: Duration = Duration::from_secs(5);
/// Of several processes whoever comes first counts; the others find that it was done lately.
const DONE_LATELY_SECONDS: i32 = 3;
/// Facts counted in one transaction: so few that the relay, which waits for every older transaction, does
/// not notice.
const FACTS_AT_ONCE: i64 = 2_000;
/// A transaction or a look that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(10);

/// Counts until told to stop.
pub async fn run(context: Context) {
    let Context { pool, broker, stop, gate, .. } = context;
    let connector = Connector::new(broker, "holdfast-workers figures");
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    let mut portion = Portion::of(FACTS_AT_ONCE);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if !gate.is_open() {
            continue;
        }
        let round = async {
            let looked = look(&pool, &connector).await;
            count(&pool, &mut portion).await?;
            looked
        };
        match stop.run_until_cancelled(round).await {
            Some(Err(error)) if !is_failing => {
                is_failing = true;
                warn!(%error, "cannot count now, trying again");
            }
            Some(Ok(())) => is_failing = false,
            _ => {}
        }
    }
    connector.close().await;
}

/// Counts the facts that came since the last time, part by part.
async fn count(pool: &PgPool, portion: &mut Portion) -> anyhow::Result<()> {
    let is_due =
        store::within(pool, LIMIT, async |conn| figures::are_due(conn, DONE_LATELY_SECONDS).await).await?;
    let mut is_behind = is_due;
    while is_behind {
        let at_once = portion.size();
        let counted = store::within(pool, LIMIT, async |conn| {
            let mut tx = conn.begin().await?;
            cursors::hold(&mut tx, Cursor::Figures).await?;
            let look = cursors::look(&mut tx, Cursor::Figures).await?;
            // The leaders of relay and feed say so in the log.
            if look.is_ahead {
                return Ok(false);
            }
            let part = figures::next_part(&mut tx, &look, at_once).await?;
            if part.facts > 0 {
                figures::count(&mut tx, &part).await?;
            }
            if !part.is_full {
                figures::forget(&mut tx).await?;
            }
            // Moved in any case: when it last did tells the other processes that somebody counts.
            cursors::advance(&mut tx, Cursor::Figures, &part).await?;
            tx.commit().await?;
            Ok::<bool, sqlx::Error>(part.is_full)
        })
        .await;
        is_behind = counted.inspect_err(|error| portion.failed(error))?;
        portion.went_well();
    }
    Ok(())
}

/// Notes what waits in each queue.
async fn look(pool: &PgPool, connector: &Connector) -> anyhow::Result<()> {
    let is_due =
        store::within(pool, LIMIT, async |conn| queue_looks::are_due(conn, DONE_LATELY_SECONDS).await)
            .await?;
    if !is_due {
        return Ok(());
    }
    let commands = Queue::ALL.into_iter().map(|queue| queue.name().to_owned());
    let names: Vec<String> = commands.chain(dead_queues()).chain([UNREADABLE.to_owned()]).collect();
    let found = timeout(LIMIT, depths(connector, &names)).await??;
    let looks: Vec<(String, u64)> =
        names.into_iter().zip(found).filter_map(|(name, depth)| Some((name, depth?.ready))).collect();
    debug!(queues = looks.len(), "looked at the queues");
    store::within(pool, LIMIT, async |conn| queue_looks::store(conn, &looks).await).await?;
    Ok(())
}

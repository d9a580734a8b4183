//! The sweeper: releases holds that are overdue by more than a grace, with or without a broker. In health it finds
//! nothing: the timers were there first.

use std::time::Duration;

use holdfast::store::{self, orders};
use metrics::counter;
use sqlx::{Connection as _, PgPool};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::bell::Bell;
use crate::release;

/// How long a timer may be late before the sweeper takes over, in seconds.
const GRACE_SECONDS: i32 = 5;
const INTERVAL: Duration = Duration::from_secs(1);
/// A transaction that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(30);
/// Orders released in one transaction.
const AT_ONCE: i64 = 1_000;

/// Sweeps once a second until told to stop.
pub async fn run(pool: PgPool, bell: Bell, stop: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match sweep(&pool, GRACE_SECONDS).await {
            Ok(0) => {}
            Ok(released) => {
                bell.ring();
                counter!("holdfast_swept_holds_total").increment(released as u64);
                info!(released, "released overdue holds whose timer was late");
            }
            Err(error) => warn!(%error, "cannot sweep now"),
        }
    }
}

/// Releases every hold overdue by more than `grace_seconds`. Returns how many it looked at.
pub async fn sweep(pool: &PgPool, grace_seconds: i32) -> sqlx::Result<usize> {
    let mut total = 0;
    loop {
        let looked_at = store::within(pool, LIMIT, async |conn| {
            let mut tx = conn.begin().await?;
            let overdue = orders::overdue(&mut tx, grace_seconds, AT_ONCE).await?;
            release::expire_and_give_back(&mut tx, &overdue).await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>(overdue.len())
        })
        .await?;
        total += looked_at;
        if looked_at < AT_ONCE as usize {
            return Ok(total);
        }
    }
}

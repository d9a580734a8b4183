//! The sweeper: releases holds that are overdue by more than a grace, with or without a broker, and wakes card payments
//! refunds and charges that nobody has asked about for a while, and effects that nobody has tried. In health it finds
//! nothing: the timers and messages were there first. Products whose SKUs begin or end a sale of their own learn of it here.

mod marks;
mod wake;

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use holdfast::broker::wake_up::Timers;
use holdfast::message::Queue;
use holdfast::pool::Pool;
use holdfast::store;
use holdfast::store::catalogue::offers;
use metrics::counter;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::review::Review;
use super::sweep_holds::HoldSweep;
use crate::engine::context::Context;
use crate::engine::served;
use marks::review_marks;
pub use marks::{look_again, move_marks};
pub use wake::{wake_effects, wake_unsettled};

/// How long a timer may be late before the sweeper takes over, in seconds.
const GRACE_SECONDS: i32 = 5;
const INTERVAL: Duration = Duration::from_secs(1);
/// How long nobody may have asked about an open card payment before its message counts as lost, in seconds. Retries
/// come at least every 64 seconds.
const QUIET_SECONDS: i32 = 90;
/// How long an effect may be due before its message counts as lost, in seconds.
const EFFECT_QUIET_SECONDS: i32 = 120;
/// Sweeps between two looks for lost messages.
const MESSAGES_EVERY: u64 = 10;
/// How much of the time before now is looked through again, at each look for lost messages, for what the marks have passed: a day
/// takes 24 minutes.
const REVIEWED_AT_ONCE: TimeDelta = TimeDelta::minutes(10);

/// Products that say anew what is offered of them, in one look.
const OFFERS_AT_ONCE: i64 = 1_000;
/// A statement that takes longer is waiting for a server that is gone.
const OFFERS_LIMIT: Duration = Duration::from_secs(10);

/// Sweeps once a second until told to stop. What belongs to a paused pool is left alone: an operator who pauses
/// `order.expire` wants no hold released, and wake-up calls for a queue that nobody reads would only pile up.
pub async fn run(context: Context) {
    let pauses = context.pauses.clone();
    let may = move |queue: Queue| pauses.gate(Pool::Commands(queue)).is_open();
    let Context { pool, publisher, bell, stop, gate, tally, .. } = context;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0_u64;
    let mut holds = HoldSweep::default();
    let mut review = Review::by(REVIEWED_AT_ONCE);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if !gate.is_open() {
            continue;
        }
        let started = Instant::now();
        let mut timers = Timers::default();
        let may_release = may(Queue::OrderExpire);
        let swept = if may_release { holds.sweep(&pool, GRACE_SECONDS, &mut timers).await } else { Ok(0) };
        match swept {
            Ok(0) => {}
            Ok(released) => {
                bell.ring();
                tally.note(released, started.elapsed(), None);
                counter!("holdfast_swept_holds_total").increment(released as u64);
                info!(released, "released overdue holds whose timer was late");
            }
            Err(error) => warn!(%error, "cannot sweep now"),
        }
        served::order(timers, &publisher).await;
        say_offers_anew(&pool).await;
        if round.is_multiple_of(MESSAGES_EVERY) {
            move_marks(&pool).await;
            review_marks(&pool, &mut review).await;
            if let Err(error) = wake_unsettled(&pool, &publisher, QUIET_SECONDS, &may).await {
                warn!(%error, "cannot wake all forgotten payments, refunds and charges now");
            }
            if let Err(error) = wake_effects(&pool, &publisher, EFFECT_QUIET_SECONDS, &may).await {
                warn!(%error, "cannot wake all forgotten effects now");
            }
        }
        round += 1;
    }
}

/// Has products say what is offered of them where the sale of a single SKU has begun or ended.
async fn say_offers_anew(pool: &PgPool) {
    let said = store::within(pool, OFFERS_LIMIT, async |conn| offers::say_anew(conn, OFFERS_AT_ONCE).await);
    if let Err(error) = said.await {
        warn!(%error, "cannot have products say what is offered of them now");
    }
}

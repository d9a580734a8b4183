//! The sweeper: releases holds that are overdue by more than a grace, with or without a broker, and wakes card payments
//! refunds and charges that nobody has asked about for a while, and effects that nobody has tried. In health it finds
//! nothing: the timers and messages were there first.

use std::time::{Duration, Instant};

use holdfast::broker::publisher::Publisher;
use holdfast::clock;
use holdfast::message::Queue;
use holdfast::pool::Pool;
use holdfast::store::effects::EffectKind;
use holdfast::store::{self, card_charges, card_payments, effects, refunds};
use holdfast::telemetry::trace_parent::TraceParent;
use metrics::counter;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::feed_effects;
use crate::runner::Context;
use crate::sweep_holds::HoldSweep;
use crate::worker::Unsettled;

/// How long a timer may be late before the sweeper takes over, in seconds.
const GRACE_SECONDS: i32 = 5;
const INTERVAL: Duration = Duration::from_secs(1);
/// A transaction that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(30);
/// Payments, refunds or charges woken at once.
const AT_ONCE: i64 = 1_000;
/// How long nobody may have asked about an open card payment before its message counts as lost, in seconds. Retries
/// come at least every 64 seconds.
const QUIET_SECONDS: i32 = 90;
/// How long an effect may be due before its message counts as lost, in seconds.
const EFFECT_QUIET_SECONDS: i32 = 120;
/// Effects woken at once: holds that are overdue meanwhile wait for it.
const EFFECTS_AT_ONCE: i64 = 5_000;
/// Sweeps between two looks for lost messages.
const MESSAGES_EVERY: u64 = 10;

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
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if !gate.is_open() {
            continue;
        }
        let started = Instant::now();
        let swept = if may(Queue::OrderExpire) { holds.sweep(&pool, GRACE_SECONDS).await } else { Ok(0) };
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
        if round.is_multiple_of(MESSAGES_EVERY) {
            match wake_unsettled(&pool, &publisher, QUIET_SECONDS, &may).await {
                Ok(0) => {}
                Ok(woken) => {
                    counter!("holdfast_woken_messages_total", "kind" => "money").increment(woken as u64);
                    info!(woken, "woke payments, refunds and charges whose message was lost");
                }
                Err(error) => warn!(%error, "cannot look for forgotten payments now"),
            }
            match wake_effects(&pool, &publisher, EFFECT_QUIET_SECONDS, &may).await {
                Ok(0) => {}
                Ok(woken) => {
                    counter!("holdfast_woken_messages_total", "kind" => "effect").increment(woken as u64);
                    info!(woken, "woke effects whose message was lost");
                }
                Err(error) => warn!(%error, "cannot look for forgotten effects now"),
            }
        }
        round += 1;
    }
}

/// Publishes the commands for card payments, refunds and charges that nobody has asked about for `quiet_seconds`, where
/// their queue may be used. Returns how many.
pub async fn wake_unsettled(
    pool: &PgPool,
    publisher: &Publisher,
    quiet_seconds: i32,
    may: impl Fn(Queue) -> bool,
) -> anyhow::Result<usize> {
    let at_most = |queue| if may(queue) { AT_ONCE } else { 0 };
    let of_payments = at_most(Queue::PaymentResolve);
    let (of_refunds, of_charges) = (at_most(Queue::RefundResolve), at_most(Queue::WalletCharge));
    let forgotten = store::within(pool, LIMIT, async |conn| {
        let payments = card_payments::claim_forgotten(conn, quiet_seconds, of_payments).await?;
        let refunds = refunds::claim_forgotten(conn, quiet_seconds, of_refunds).await?;
        let charges = card_charges::claim_forgotten(conn, quiet_seconds, of_charges).await?;
        let payments = payments.into_iter().map(|(payment, order)| Unsettled::Payment(payment, order));
        let refunds = refunds.into_iter().map(|(refund, order)| Unsettled::Refund(refund, order));
        let charges = charges.into_iter().map(Unsettled::Charge);
        Ok::<Vec<Unsettled>, sqlx::Error>(payments.chain(refunds).chain(charges).collect())
    })
    .await?;
    let count = forgotten.len();
    let now = clock::now();
    // What they came from is not known any more: each begins a trace.
    publisher
        .publish_all(
            forgotten.into_iter().map(|unsettled| unsettled.message(now, TraceParent::fresh())).collect(),
        )
        .await?;
    Ok(count)
}

/// Publishes the messages of open effects that have been due for `quiet_seconds`, where their queue may be used. Returns
/// how many.
pub async fn wake_effects(
    pool: &PgPool,
    publisher: &Publisher,
    quiet_seconds: i32,
    may: impl Fn(Queue) -> bool,
) -> anyhow::Result<usize> {
    let mails = may(Queue::MailSend).then_some(EffectKind::Mail);
    let reports = may(Queue::OrderReport).then_some(EffectKind::Report);
    let kinds: Vec<EffectKind> = mails.into_iter().chain(reports).collect();
    let forgotten = store::within(pool, LIMIT, async |conn| {
        effects::claim_forgotten(conn, &kinds, quiet_seconds, EFFECTS_AT_ONCE).await
    })
    .await?;
    let count = forgotten.len();
    publisher.publish_all(forgotten.into_iter().map(feed_effects::message).collect()).await?;
    Ok(count)
}

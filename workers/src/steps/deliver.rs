//! How effects are told: looks up what is due, tells it before and outside the transaction, and notes what came of it.
//!
//! A crash in between tells it again under the same id, by which whoever is told can know. The row in the outbox is the
//! truth, the message only a call to look at it: one that comes too early waits on, one that comes twice finds it told.

mod state;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use holdfast::broker::envelope::Incoming;
use holdfast::domain::notice::Notice;
use holdfast::message::Command;
use holdfast::store;
use holdfast::store::effects::{self, Effect, EffectKind};
use holdfast::store::events::notices;
use metrics::counter;
use sqlx::{PgConnection, PgPool};

use crate::engine::stop_points;
use crate::engine::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command};
use state::{DeliveryState, Judged, is_due, judge};

/// Looking the effects up takes no longer, unless the server is gone.
const LIMIT: Duration = Duration::from_secs(10);

/// Whom effects of one kind are told.
pub trait Outlet: Send + Sync + 'static {
    /// The command that asks for it.
    type Command: Command;
    const KIND: EffectKind;
    /// How many are told at once.
    const AT_ONCE: usize;

    /// The effect that is asked for.
    fn effect(command: &Self::Command) -> Effect;

    fn tell(&self, notice: &Notice) -> impl Future<Output = DeliveryOutcome> + Send;
}

/// What came of telling somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    Told,
    /// There is nobody to tell.
    Nobody,
    /// What it calls for cannot be done any more, or is done.
    TooLate,
    /// They do not want to know: a person has to look at it.
    Refused {
        /// What kind of refusal.
        class: &'static str,
        reason: String,
    },
    /// It may work the next time.
    Failed {
        /// Why it did not.
        why: String,
        /// When they want to be told again, at the earliest.
        retry_after: Option<Duration>,
    },
}

/// The worker that tells effects through an outlet.
pub struct Deliver<O>(pub O);

/// An effect and what came of it.
#[derive(Debug)]
pub struct Delivery {
    effect: Effect,
    state: DeliveryState,
}

impl<O: Outlet> Worker for Deliver<O> {
    type Message = Delivery;

    fn queue(&self) -> String {
        O::Command::QUEUE.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        // Two rounds of calls: others that wait for the end of a batch do not wait for long.
        let messages = 2 * O::AT_ONCE;
        BatchLimits {
            messages,
            weight: usize::MAX,
            prefetch: u16::try_from(2 * messages).unwrap_or(u16::MAX),
        }
    }

    fn read(&self, incoming: &Incoming) -> Result<Delivery, Verdict> {
        read_command(incoming).map(|command: O::Command| Delivery {
            effect: O::effect(&command),
            state: DeliveryState::Unknown,
        })
    }

    async fn prepare(&self, pool: &PgPool, batch: &mut [Delivered<Delivery>]) -> sqlx::Result<()> {
        let wanted: Vec<Effect> = batch.iter().map(|delivered| delivered.message.effect).collect();
        let mut states = store::within(pool, LIMIT, async |conn| look_up::<O>(conn, &wanted).await).await?;
        for Delivered { message, .. } in batch.iter_mut() {
            // The second message about an effect finds nothing left.
            let state = states.get_mut(&message.effect.event_id);
            message.state = state
                .map_or(DeliveryState::Unknown, |state| std::mem::replace(state, DeliveryState::Nothing));
        }
        stop_points::point("before_telling").await;
        stream::iter(batch.iter_mut())
            .for_each_concurrent(O::AT_ONCE, async |delivered| {
                if let DeliveryState::Due { earlier_attempts, notice } = &delivered.message.state {
                    let outcome = self.0.tell(notice).await;
                    count::<O>(&outcome);
                    delivered.message.state =
                        DeliveryState::Tried { attempts: earlier_attempts + 1, outcome };
                }
            })
            .await;
        stop_points::point("after_telling").await;
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<Delivery>],
    ) -> Result<Applied, ApplyError> {
        let mut ends = vec![];
        let mut postponed = vec![];
        for Delivered { message: Delivery { effect, state }, .. } in batch {
            if let DeliveryState::Tried { attempts, outcome } = state {
                match judge(effect.event_id, *attempts, outcome) {
                    Judged::End(end) => ends.push(end),
                    Judged::Postponed(one) => postponed.push(one),
                }
            }
        }
        // Two processes that tell the same effects take their rows in the same order.
        ends.sort_unstable_by_key(|end| end.event_id);
        postponed.sort_unstable_by_key(|one| one.event_id);
        effects::end(tx, O::KIND, &ends).await?;
        let due: HashMap<i64, Duration> =
            effects::postpone(tx, O::KIND, &postponed).await?.into_iter().collect();
        let verdicts = batch.iter().map(|Delivered { message, .. }| {
            message.state.verdict(due.get(&message.effect.event_id).copied())
        });
        Ok(Applied { verdicts: verdicts.collect(), ..Applied::default() })
    }
}

/// Where each of these effects stands; those that are not in the outbox are left out.
async fn look_up<O: Outlet>(
    conn: &mut PgConnection,
    wanted: &[Effect],
) -> sqlx::Result<HashMap<i64, DeliveryState>> {
    let ids: Vec<i64> = wanted.iter().map(|effect| effect.event_id).collect();
    let standings = effects::standings(conn, O::KIND, &ids).await?;
    let due: HashSet<i64> =
        standings.iter().filter(|standing| is_due(standing)).map(|standing| standing.event_id).collect();
    let due: Vec<Effect> = wanted.iter().filter(|effect| due.contains(&effect.event_id)).copied().collect();
    let mut notices = notices::of(conn, &due).await?;
    let states = standings.into_iter().map(|standing| {
        (standing.event_id, DeliveryState::new(standing, notices.remove(&standing.event_id)))
    });
    Ok(states.collect())
}

fn count<O: Outlet>(outcome: &DeliveryOutcome) {
    let outcome = match outcome {
        DeliveryOutcome::Told => "told",
        DeliveryOutcome::Nobody => "nobody",
        DeliveryOutcome::TooLate => "too_late",
        DeliveryOutcome::Refused { .. } => "refused",
        DeliveryOutcome::Failed { .. } => "failed",
    };
    counter!("holdfast_effects_total", "queue" => O::Command::QUEUE.name(), "outcome" => outcome)
        .increment(1);
}

//! How effects are told: looks up what is due, tells it before and outside the transaction, and notes what came of it.
//!
//! A crash in between tells it again under the same id, by which whoever is told can know. The row in the outbox is the
//! truth, the message only a call to look at it: one that comes too early waits on, one that comes twice finds it told.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use holdfast::broker::envelope::Incoming;
use holdfast::dead_letters::printable;
use holdfast::domain::notice::Notice;
use holdfast::message::Command;
use holdfast::retry::effect_delay;
use holdfast::store;
use holdfast::store::effects::{self, Effect, EffectKind, EffectStatus, End, Postponed, Standing};
use holdfast::store::notices::{self, Unreadable};
use metrics::counter;
use sqlx::{PgConnection, PgPool};

use crate::pause;
use crate::worker::{
    Applied, ApplyError, BatchLimits, Delivered, UNKNOWN_ORDER_ATTEMPTS, Verdict, Worker, read_command,
};

/// Looking the effects up takes no longer, unless the server is gone.
const LIMIT: Duration = Duration::from_secs(10);
/// What others say about a failure is kept up to here.
const MAX_ERROR_CHARS: usize = 500;

/// Whom effects of one kind are told.
pub trait Outlet: Send + Sync + 'static {
    /// The command that asks for it.
    type Command: Command;
    /// Which kind.
    const KIND: EffectKind;
    /// How many are told at once.
    const AT_ONCE: usize;

    /// The effect that is asked for.
    fn effect(command: &Self::Command) -> Effect;

    /// Tells one.
    fn tell(&self, notice: &Notice) -> impl Future<Output = Outcome> + Send;
}

/// What came of telling somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// They know.
    Told,
    /// There is nobody to tell.
    Nobody,
    /// They do not want to know: a person has to look at it.
    Refused {
        /// What kind of refusal.
        class: &'static str,
        /// In words.
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
    state: State,
}

#[derive(Debug)]
enum State {
    /// It could not be looked up, or is not in the outbox yet.
    Unknown,
    /// It is told, there was nobody to tell, or another message of the batch asks for it.
    Nothing,
    Early {
        due_at: DateTime<Utc>,
        attempts: u32,
    },
    Due {
        earlier_attempts: u32,
        notice: Box<Notice>,
    },
    Tried {
        attempts: u32,
        outcome: Outcome,
    },
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
        read_command(incoming)
            .map(|command: O::Command| Delivery { effect: O::effect(&command), state: State::Unknown })
    }

    async fn prepare(&self, pool: &PgPool, batch: &mut [Delivered<Delivery>]) -> sqlx::Result<()> {
        let wanted: Vec<Effect> = batch.iter().map(|delivered| delivered.message.effect).collect();
        let mut states = store::within(pool, LIMIT, async |conn| look_up::<O>(conn, &wanted).await).await?;
        for Delivered { message, .. } in batch.iter_mut() {
            // The second message about an effect finds nothing left.
            let state = states.get_mut(&message.effect.event_id);
            message.state = state.map_or(State::Unknown, |state| std::mem::replace(state, State::Nothing));
        }
        pause::point("before_telling").await;
        stream::iter(batch.iter_mut())
            .for_each_concurrent(O::AT_ONCE, async |delivered| {
                if let State::Due { earlier_attempts, notice } = &delivered.message.state {
                    let outcome = self.0.tell(notice).await;
                    count::<O>(&outcome);
                    delivered.message.state = State::Tried { attempts: earlier_attempts + 1, outcome };
                }
            })
            .await;
        pause::point("after_telling").await;
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
            if let State::Tried { attempts, outcome } = state {
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
        let due: HashMap<i64, DateTime<Utc>> =
            effects::postpone(tx, O::KIND, &postponed).await?.into_iter().collect();
        let verdicts = batch.iter().map(|Delivered { message, .. }| verdict(message, &due));
        Ok(Applied { verdicts: verdicts.collect(), ..Applied::default() })
    }
}

/// Where each of these effects stands; those that are not in the outbox are left out.
async fn look_up<O: Outlet>(conn: &mut PgConnection, wanted: &[Effect]) -> sqlx::Result<HashMap<i64, State>> {
    let ids: Vec<i64> = wanted.iter().map(|effect| effect.event_id).collect();
    let standings = effects::standings(conn, O::KIND, &ids).await?;
    let due: HashSet<i64> =
        standings.iter().filter(|standing| is_due(standing)).map(|standing| standing.event_id).collect();
    let due: Vec<Effect> = wanted.iter().filter(|effect| due.contains(&effect.event_id)).copied().collect();
    let mut notices = notices::of(conn, &due).await?;
    let states = standings
        .into_iter()
        .map(|standing| (standing.event_id, state(standing, notices.remove(&standing.event_id))));
    Ok(states.collect())
}

fn is_due(standing: &Standing) -> bool {
    match standing.status {
        EffectStatus::Open => standing.is_due,
        // One that was given up is back because somebody replayed it.
        EffectStatus::Dead => true,
        EffectStatus::Done | EffectStatus::Skipped => false,
    }
}

fn state(standing: Standing, notice: Option<Result<Notice, Unreadable>>) -> State {
    let attempts = match standing.status {
        // Replayed, it starts over.
        EffectStatus::Dead => 0,
        _ => u32::try_from(standing.attempts).unwrap_or(0),
    };
    match (standing.status, notice) {
        (EffectStatus::Done | EffectStatus::Skipped, _) => State::Nothing,
        (EffectStatus::Open, _) if !standing.is_due => State::Early { due_at: standing.due_at, attempts },
        (_, Some(Ok(notice))) => State::Due { earlier_attempts: attempts, notice: Box::new(notice) },
        (_, Some(Err(unreadable))) => State::Tried {
            attempts,
            outcome: Outcome::Refused { class: "unreadable", reason: unreadable.to_string() },
        },
        (_, None) => State::Unknown,
    }
}

enum Judged {
    End(End),
    Postponed(Postponed),
}

/// What the outbox is told about a try.
fn judge(event_id: i64, attempts: u32, outcome: &Outcome) -> Judged {
    let end = |status, error: Option<&str>| {
        Judged::End(End { event_id, status, attempts: stored(attempts), error: error.map(storable) })
    };
    match outcome {
        Outcome::Told => end(EffectStatus::Done, None),
        Outcome::Nobody => end(EffectStatus::Skipped, None),
        Outcome::Refused { reason, .. } => end(EffectStatus::Dead, Some(reason)),
        Outcome::Failed { why, retry_after } => match effect_delay(attempts) {
            Some(delay) => Judged::Postponed(Postponed {
                event_id,
                attempts: stored(attempts),
                error: storable(why),
                delay: delay.max(retry_after.unwrap_or_default()),
            }),
            None => end(EffectStatus::Dead, Some(why)),
        },
    }
}

/// What becomes of the message.
fn verdict(delivery: &Delivery, due: &HashMap<i64, DateTime<Utc>>) -> Verdict {
    let (attempts, outcome) = match &delivery.state {
        State::Tried { attempts, outcome } => (*attempts, outcome),
        State::Nothing => return Verdict::Done,
        State::Early { due_at, attempts } => return Verdict::Later { due_at: *due_at, attempts: *attempts },
        State::Unknown | State::Due { .. } => {
            let why = "the effect is not known yet".to_owned();
            return Verdict::Retry { why, limit: UNKNOWN_ORDER_ATTEMPTS };
        }
    };
    match outcome {
        Outcome::Told | Outcome::Nobody => Verdict::Done,
        Outcome::Refused { class, reason } => Verdict::Dead { class, reason: storable(reason) },
        Outcome::Failed { why, .. } => match due.get(&delivery.effect.event_id) {
            Some(due_at) => Verdict::Later { due_at: *due_at, attempts },
            None if effect_delay(attempts).is_none() => Verdict::Dead {
                class: "gave_up",
                reason: format!("{} after {attempts} attempts", storable(why)),
            },
            // Somebody else has told it meanwhile.
            None => Verdict::Done,
        },
    }
}

fn stored(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}

fn storable(text: &str) -> String {
    printable(text).chars().take(MAX_ERROR_CHARS).collect()
}

fn count<O: Outlet>(outcome: &Outcome) {
    let outcome = match outcome {
        Outcome::Told => "told",
        Outcome::Nobody => "nobody",
        Outcome::Refused { .. } => "refused",
        Outcome::Failed { .. } => "failed",
    };
    counter!("holdfast_effects_total", "queue" => O::Command::QUEUE.name(), "outcome" => outcome)
        .increment(1);
}

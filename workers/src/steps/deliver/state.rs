//! Where an effect stands while it is told, and what becomes of it and of its message.

use std::time::{Duration, Instant};

use holdfast::domain::notice::Notice;
use holdfast::retry::effect_delay;
use holdfast::store::effects::{EffectStanding, EffectStatus, End, Postponed};
use holdfast::store::events::notices::Unreadable;
use holdfast::terminal::printable;

use super::DeliveryOutcome;
use crate::engine::worker::{UNKNOWN_ORDER_ATTEMPTS, Verdict};

/// What others say about a failure is kept up to here.
const MAX_ERROR_CHARS: usize = 500;

/// Where an effect stands.
#[derive(Debug)]
pub(super) enum DeliveryState {
    /// It could not be looked up, or is not in the outbox yet.
    Unknown,
    /// It is told or came too late, there was nobody to tell, or another message of the batch asks for it.
    Nothing,
    /// By our own watch: telling the others takes its time.
    Early {
        due: Instant,
        attempts: u32,
    },
    Due {
        earlier_attempts: u32,
        notice: Box<Notice>,
    },
    Tried {
        attempts: u32,
        outcome: DeliveryOutcome,
    },
}

impl DeliveryState {
    /// As the outbox has it.
    pub(super) fn new(standing: EffectStanding, notice: Option<Result<Notice, Unreadable>>) -> Self {
        let attempts = match standing.status {
            // Replayed, it starts over.
            EffectStatus::Dead => 0,
            _ => u32::try_from(standing.attempts).unwrap_or(0),
        };
        match (standing.status, notice) {
            (EffectStatus::Done | EffectStatus::Skipped, _) => Self::Nothing,
            (EffectStatus::Open, _) if !standing.is_due() => {
                Self::Early { due: Instant::now() + standing.left, attempts }
            }
            (_, Some(Ok(notice))) => Self::Due { earlier_attempts: attempts, notice: Box::new(notice) },
            (_, Some(Err(unreadable))) => {
                let outcome =
                    DeliveryOutcome::Refused { class: "unreadable", reason: unreadable.to_string() };
                Self::Tried { attempts, outcome }
            }
            (_, None) => Self::Unknown,
        }
    }

    /// What becomes of the message, once the outbox has put the effect off for `postponed`, if it has.
    pub(super) fn verdict(&self, postponed: Option<Duration>) -> Verdict {
        let (attempts, outcome) = match self {
            Self::Tried { attempts, outcome } => (*attempts, outcome),
            Self::Nothing => return Verdict::Done,
            Self::Early { due, attempts } => {
                let left = due.saturating_duration_since(Instant::now());
                return Verdict::NotBefore { left, attempts: *attempts };
            }
            Self::Unknown | Self::Due { .. } => {
                let why = "the effect is not known yet".to_owned();
                return Verdict::Retry { why, limit: UNKNOWN_ORDER_ATTEMPTS };
            }
        };
        match (outcome, postponed) {
            (DeliveryOutcome::Told | DeliveryOutcome::Nobody | DeliveryOutcome::TooLate, _) => Verdict::Done,
            (DeliveryOutcome::Refused { class, reason }, _) => {
                Verdict::Dead { class, reason: storable(reason) }
            }
            (DeliveryOutcome::Failed { .. }, Some(left)) => Verdict::NotBefore { left, attempts },
            (DeliveryOutcome::Failed { why, .. }, None) if effect_delay(attempts).is_none() => {
                let reason = format!("{} after {attempts} attempts", storable(why));
                Verdict::Dead { class: "gave_up", reason }
            }
            // Somebody else has told it meanwhile.
            (DeliveryOutcome::Failed { .. }, None) => Verdict::Done,
        }
    }
}

/// Whether it is to be told now.
pub(super) fn is_due(standing: &EffectStanding) -> bool {
    match standing.status {
        EffectStatus::Open => standing.is_due(),
        // One that was given up is back because somebody replayed it.
        EffectStatus::Dead => true,
        EffectStatus::Done | EffectStatus::Skipped => false,
    }
}

/// What the outbox is told about a try.
pub(super) enum Judged {
    End(End),
    Postponed(Postponed),
}

pub(super) fn judge(event_id: i64, attempts: u32, outcome: &DeliveryOutcome) -> Judged {
    let end = |status, error: Option<&str>| {
        Judged::End(End { event_id, status, attempts: stored(attempts), error: error.map(storable) })
    };
    match outcome {
        DeliveryOutcome::Told => end(EffectStatus::Done, None),
        DeliveryOutcome::Nobody | DeliveryOutcome::TooLate => end(EffectStatus::Skipped, None),
        DeliveryOutcome::Refused { reason, .. } => end(EffectStatus::Dead, Some(reason)),
        DeliveryOutcome::Failed { why, retry_after } => match effect_delay(attempts) {
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

fn stored(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}

fn storable(text: &str) -> String {
    printable(text).chars().take(MAX_ERROR_CHARS).collect()
}

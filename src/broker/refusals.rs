//! What the broker does not take, and since when. A nack does not say why: the queue may be full, or the channel may
//! wait for ever for a node that is gone. So after a second of nothing but nacks one message is tried on a connection of
//! its own: that tells which it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Nothing but refusals for so long is worth a try elsewhere …
const FIRST_TRIAL: Duration = Duration::from_secs(1);
/// … and as long as those are refused too, the next one comes twice as late, up to this.
const RAREST_TRIAL: Duration = Duration::from_secs(60);
/// A refusal that nobody met again for so long is not news any more.
const FORGOTTEN: Duration = Duration::from_secs(5);

/// Why messages are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Cause)]
pub enum RefusalCause {
    /// The queue is at its limit.
    Full,
    /// The broker does not confirm, or cannot be reached by a new connection.
    Trouble,
}

/// Something that is refused right now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// The queue, or the exchange before it.
    pub target: String,
    /// Why.
    pub cause: RefusalCause,
    /// For how long.
    pub seconds: u64,
}

#[derive(Debug, Clone, Copy)]
struct Streak {
    since: Instant,
    last: Instant,
    cause: RefusalCause,
    next_trial: Instant,
    interval: Duration,
}

/// Refusals by target, each since the last message that was taken there. There are as many targets as queues and
/// exchanges.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<String, Streak>);

impl Refusals {
    /// A message was taken.
    pub(super) fn taken(&mut self, target: &str) {
        self.0.remove(target);
    }

    /// A message was refused. Returns why.
    pub(super) fn refused(&mut self, target: &str, now: Instant) -> RefusalCause {
        self.streak(target, now, RefusalCause::Full).cause
    }

    /// Whether a message that was just refused is to be tried on a new connection before its sender hears of it. Who is
    /// told so does it.
    pub(super) fn wants_trial(&mut self, target: &str, now: Instant) -> bool {
        let streak = self.streak(target, now, RefusalCause::Full);
        let is_due = now >= streak.next_trial;
        if is_due {
            streak.interval = (streak.interval * 2).min(RAREST_TRIAL);
            streak.next_trial = now + streak.interval;
        }
        is_due
    }

    /// What came of a message that was to go there and was not taken.
    pub(super) fn found(&mut self, target: &str, now: Instant, cause: RefusalCause) {
        self.streak(target, now, cause).cause = cause;
    }

    fn streak(&mut self, target: &str, now: Instant, cause: RefusalCause) -> &mut Streak {
        let streak = self.0.entry(target.to_owned()).or_insert(Streak {
            since: now,
            last: now,
            cause,
            next_trial: now + FIRST_TRIAL,
            interval: FIRST_TRIAL,
        });
        if now.duration_since(streak.last) > RAREST_TRIAL {
            (streak.since, streak.next_trial, streak.interval) = (now, now + FIRST_TRIAL, FIRST_TRIAL);
        }
        streak.last = now;
        streak
    }

    /// What is refused now, and was a second ago.
    pub(super) fn now(&self, now: Instant) -> Vec<Refused> {
        let is_news = |streak: &Streak| {
            now.duration_since(streak.last) <= FORGOTTEN
                && (streak.cause == RefusalCause::Trouble || now.duration_since(streak.since) >= FIRST_TRIAL)
        };
        let refused = self.0.iter().filter(|(_, streak)| is_news(streak));
        refused
            .map(|(target, streak)| Refused {
                target: target.clone(),
                cause: streak.cause,
                seconds: now.duration_since(streak.since).as_secs(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_of_nothing_but_nacks_is_tried_elsewhere_ever_more_rarely() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let trials: Vec<u32> =
            (0..300).filter(|second| refusals.wants_trial("order.hold", start + SECOND * *second)).collect();
        assert_eq!(trials, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
    }

    #[test]
    fn whatever_is_taken_ends_the_streak_of_its_own_target_alone() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        for target in ["order.hold", "order.cancel"] {
            assert_eq!(refusals.refused(target, start), RefusalCause::Full);
        }
        refusals.taken("order.cancel");
        assert!(!refusals.wants_trial("order.cancel", start + SECOND));
        assert!(refusals.wants_trial("order.hold", start + SECOND));
    }

    #[test]
    fn a_cause_that_was_found_holds_until_something_is_taken() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        assert!(refusals.now(start).is_empty());
        refusals.refused("order.hold", start);
        assert!(refusals.now(start).is_empty(), "a moment is no news");
        refusals.found("order.hold", start + SECOND, RefusalCause::Trouble);
        assert_eq!(refusals.refused("order.hold", start + SECOND * 2), RefusalCause::Trouble);
        let refused = Refused { target: "order.hold".to_owned(), cause: RefusalCause::Trouble, seconds: 2 };
        assert_eq!(refusals.now(start + SECOND * 2), [refused]);
        assert!(refusals.now(start + SECOND * 8).is_empty(), "nobody has met it for long");
        refusals.taken("order.hold");
        assert_eq!(refusals.refused("order.hold", start + SECOND * 9), RefusalCause::Full);
    }
}

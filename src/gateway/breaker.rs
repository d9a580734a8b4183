//! When to stop asking a server that fails, and when to try it again. Pure: time is an argument.

use std::time::{Duration, Instant};

/// The rules of a breaker.
#[derive(Debug, Clone, Copy)]
pub struct BreakerRules {
    /// Calls are counted over this time, then anew.
    pub window: Duration,
    /// Fewer failures than this never open it.
    pub least_failures: u32,
    /// How long nobody asks once it is open.
    pub rest: Duration,
    /// A trial call that has not ended by then counts as lost, and another one may go.
    pub trial_limit: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            least_failures: 10,
            rest: Duration::from_secs(5),
            trial_limit: Duration::from_secs(15),
        }
    }
}

/// A circuit breaker: closed while calls go well, open when at least half of them fail, then one trial call at a time.
#[derive(Debug)]
pub struct Breaker {
    rules: BreakerRules,
    state: BreakerState,
}

#[derive(Debug)]
enum BreakerState {
    Closed { since: Instant, calls: u32, failures: u32 },
    Open { until: Instant },
    Trying { since: Instant },
}

impl Breaker {
    pub fn new(rules: BreakerRules, now: Instant) -> Self {
        Self { rules, state: BreakerState::Closed { since: now, calls: 0, failures: 0 } }
    }

    /// Whether a call may go. After the rest it is a trial, and the only one until it ends.
    pub fn may_call(&mut self, now: Instant) -> bool {
        match self.state {
            BreakerState::Closed { .. } => true,
            BreakerState::Open { until } if now < until => false,
            BreakerState::Trying { since }
                if now.saturating_duration_since(since) < self.rules.trial_limit =>
            {
                false
            }
            BreakerState::Open { .. } | BreakerState::Trying { .. } => {
                self.state = BreakerState::Trying { since: now };
                true
            }
        }
    }

    /// How a call ended that was allowed.
    pub fn note(&mut self, failed: bool, now: Instant) {
        match &mut self.state {
            BreakerState::Closed { since, calls, failures } => {
                if now.saturating_duration_since(*since) >= self.rules.window {
                    (*since, *calls, *failures) = (now, 0, 0);
                }
                *calls += 1;
                *failures += u32::from(failed);
                if *failures >= self.rules.least_failures && *failures * 2 >= *calls {
                    self.state = BreakerState::Open { until: now + self.rules.rest };
                }
            }
            // Calls from before it opened end late; they say nothing new.
            BreakerState::Open { .. } => {}
            BreakerState::Trying { .. } if failed => {
                self.state = BreakerState::Open { until: now + self.rules.rest }
            }
            BreakerState::Trying { .. } => {
                self.state = BreakerState::Closed { since: now, calls: 0, failures: 0 }
            }
        }
    }

    /// Whether calls are kept back or only tried.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, BreakerState::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(BreakerRules::default(), now);
        for _ in 0..10 {
            breaker.note(true, now);
        }
        breaker
    }

    #[test]
    fn it_opens_when_half_of_the_calls_fail_and_not_for_a_few() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerRules::default(), now);
        for _ in 0..9 {
            breaker.note(true, now);
        }
        assert!(!breaker.is_open());
        for _ in 0..20 {
            breaker.note(false, now);
        }
        breaker.note(true, now);
        assert!(!breaker.is_open(), "10 of 30 failed");
        assert!(opened(now).is_open());
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerRules::default(), now);
        for second in 0..100 {
            breaker.note(true, now + Duration::from_secs(second * 2));
        }
        assert!(!breaker.is_open(), "five failures in ten seconds are below the least");
    }

    #[test]
    fn after_its_rest_one_trial_at_a_time_decides() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(!breaker.may_call(now + Duration::from_secs(4)));
        let later = now + Duration::from_secs(5);
        assert!(breaker.may_call(later));
        assert!(!breaker.may_call(later), "one trial is on its way");
        breaker.note(true, later);
        assert!(!breaker.may_call(later + Duration::from_secs(4)));
        let last = later + Duration::from_secs(5);
        assert!(breaker.may_call(last));
        breaker.note(false, last);
        assert!(!breaker.is_open() && breaker.may_call(last));
    }

    #[test]
    fn a_trial_that_never_ends_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + Duration::from_secs(5);
        assert!(breaker.may_call(later));
        assert!(!breaker.may_call(later + Duration::from_secs(14)));
        assert!(breaker.may_call(later + Duration::from_secs(15)));
    }

    proptest! {
        #[test]
        fn whatever_happened_it_lets_a_call_through_after_rest_and_trial(
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..7_000), 0..200),
        ) {
            let mut now = Instant::now();
            let mut breaker = Breaker::new(BreakerRules::default(), now);
            for (ask, failed, ms) in steps {
                now += Duration::from_millis(ms);
                if !ask || breaker.may_call(now) {
                    breaker.note(failed, now);
                }
            }
            prop_assert!(breaker.may_call(now + Duration::from_secs(15)));
        }
    }
}

//! The delay ladders: which rung carries a message closest to its time.
//!
//! One TTL per queue, because a queue expires messages only at its head: nothing waits behind another. One ladder per
//! purpose, because a rung waits for every queue it feeds: one that is full would hold up the messages for all others.

use std::time::Duration;

use crate::message::{Purpose, Queue};

/// The standard hold window has a rung of its own, so that most timers need one hop.
const STANDARD_MS: u64 = 1_200_000;
/// Rungs of the ladder of timers: 125 ms times the powers of two, up to 65,536 s …
const TIMERS_MS: u64 = 125;
const TIMERS_RUNGS: u32 = 20;
/// … and below it a few short ones, so that the last hop hardly overshoots.
const SHORT_MS: [u64; 3] = [15, 30, 60];
/// Retries double from 250 ms to 64 s; what is longer needs no precision and takes several hops.
const RETRIES_MS: u64 = 250;
const RETRIES_RUNGS: u32 = 9;
const LONG_MS: [u64; 2] = [1_024_000, 16_384_000];
/// A rung that overshoots by less than this is taken rather than several shorter hops. Hops arrive a few
/// milliseconds late; without it a hold of 5 s would end in a chain of ever shorter rungs.
const OVERSHOOT_MS: u64 = 25;

/// One delay: a queue whose messages all wait equally long, for queues of one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rung {
    purpose: Purpose,
    milliseconds: u64,
}

impl Rung {
    /// Every rung, ladder by ladder, shortest first.
    pub fn all() -> impl Iterator<Item = Rung> {
        Purpose::ALL.into_iter().flat_map(Rung::of)
    }

    /// The ladder of a purpose, shortest first.
    fn of(purpose: Purpose) -> Vec<Rung> {
        let mut ladder: Vec<u64> = match purpose {
            Purpose::Timers => {
                let powers = (0..TIMERS_RUNGS).map(|power| TIMERS_MS << power);
                SHORT_MS.into_iter().chain(powers).chain([STANDARD_MS]).collect()
            }
            Purpose::Money | Purpose::Others => {
                (0..RETRIES_RUNGS).map(|power| RETRIES_MS << power).chain(LONG_MS).collect()
            }
        };
        ladder.sort_unstable();
        ladder.into_iter().map(|milliseconds| Rung { purpose, milliseconds }).collect()
    }

    /// The rung for a message to this queue that is to wake after `remaining`: the longest that does not overshoot, or
    /// the shortest of all. Who wakes early asks again.
    pub fn towards(queue: Queue, remaining: Duration) -> Rung {
        Self::on_ladder(queue.purpose(), remaining)
    }

    /// The same for a queue by its name. One that is no command queue's is nobody's purpose.
    pub(super) fn towards_name(queue: &str, remaining: Duration) -> Rung {
        Self::on_ladder(Queue::from_name(queue).map_or(Purpose::Others, Queue::purpose), remaining)
    }

    fn on_ladder(purpose: Purpose, remaining: Duration) -> Rung {
        let limit = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX).saturating_add(OVERSHOOT_MS);
        let ladder = Rung::of(purpose);
        let longest = ladder.iter().rev().find(|rung| rung.milliseconds <= limit);
        *longest.unwrap_or(&ladder[0])
    }

    /// How long a message waits here.
    pub fn milliseconds(self) -> u64 {
        self.milliseconds
    }

    /// The name of the rung's queue and of its exchange.
    pub fn name(self) -> String {
        let ladder = match self.purpose {
            Purpose::Timers => "delay",
            Purpose::Money => "delay.money",
            Purpose::Others => "delay.others",
        };
        match self.milliseconds {
            whole if whole % 1_000 == 0 => format!("{ladder}.{}s", whole / 1_000),
            fraction => format!("{ladder}.{fraction}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_standard_window_takes_one_hop() {
        let timer = |delay| Rung::towards(Queue::OrderExpire, delay).name();
        assert_eq!(timer(Duration::from_millis(1_199_990)), "delay.1200s");
        assert_eq!(timer(Duration::from_secs(86_400)), "delay.65536s");
        assert_eq!(timer(Duration::ZERO), "delay.15ms");
        assert_eq!(Rung::all().count(), 46);
    }

    #[test]
    fn timers_share_their_rungs_with_nobody_and_money_shares_them_with_money() {
        let minute = Duration::from_secs(60);
        for queue in Queue::ALL {
            let name = Rung::towards(queue, minute).name();
            assert_eq!(name == "delay.32s", queue == Queue::OrderExpire, "{queue}: {name}");
        }
        assert_eq!(Rung::towards(Queue::RefundResolve, minute).name(), "delay.money.32s");
        assert_eq!(Rung::towards(Queue::OrderHold, minute).name(), "delay.others.32s");
        assert_eq!(Rung::towards_name("order.hold.dead", minute).name(), "delay.others.32s");
        assert_eq!(Rung::towards(Queue::MailSend, Duration::from_secs(86_400)).name(), "delay.others.16384s");
    }

    proptest! {
        #[test]
        fn any_due_time_is_met_within_25_ms_and_few_hops(due_ms in 1u64..86_400_000, hop_ms in 0u64..5) {
            let mut now = 0;
            let mut hops = 0;
            while now < due_ms {
                let left = Duration::from_millis(due_ms - now);
                now += Rung::towards(Queue::OrderExpire, left).milliseconds() + hop_ms;
                hops += 1;
            }
            prop_assert!(now - due_ms <= OVERSHOOT_MS + hop_ms, "woke {} ms late", now - due_ms);
            prop_assert!(hops <= 26, "{hops} hops");
        }
    }
}

//! The delay ladder: which rung carries a message closest to its time.
//!
//! One TTL per queue, because a queue expires messages only at its head: nothing waits behind another.

use std::time::Duration;

/// The standard hold window has a rung of its own, so that most timers need one hop.
const STANDARD_MS: u64 = 1_200_000;
/// Rungs of the ladder: 125 ms times the powers of two, up to 65,536 s …
const LADDER_MS: u64 = 125;
const LADDER_RUNGS: u32 = 20;
/// … and below it a few short ones, so that the last hop hardly overshoots.
const SHORT_MS: [u64; 3] = [15, 30, 60];
/// A rung that overshoots by less than this is taken rather than several shorter hops. Hops arrive a few
/// milliseconds late; without it a hold of 5 s would end in a chain of ever shorter rungs.
const OVERSHOOT_MS: u64 = 25;

/// One delay: a queue whose messages all wait equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rung {
    milliseconds: u64,
}

impl Rung {
    /// Every rung, shortest first.
    pub fn all() -> impl Iterator<Item = Rung> {
        let ladder = (0..LADDER_RUNGS).map(|power| LADDER_MS << power);
        let mut rungs: Vec<u64> = SHORT_MS.into_iter().chain(ladder).chain([STANDARD_MS]).collect();
        rungs.sort_unstable();
        rungs.into_iter().map(|milliseconds| Rung { milliseconds })
    }

    /// The rung for a message that is to wake after `remaining`: the longest that does not overshoot, or the
    /// shortest of all. Who wakes early asks again.
    pub fn for_delay(remaining: Duration) -> Rung {
        let limit = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX).saturating_add(OVERSHOOT_MS);
        Rung::all()
            .filter(|rung| rung.milliseconds <= limit)
            .last()
            .unwrap_or(Rung { milliseconds: SHORT_MS[0] })
    }

    /// How long a message waits here.
    pub fn milliseconds(self) -> u64 {
        self.milliseconds
    }

    /// The name of the rung's queue and of its exchange.
    pub fn name(self) -> String {
        match self.milliseconds {
            whole if whole % 1_000 == 0 => format!("delay.{}s", whole / 1_000),
            fraction => format!("delay.{fraction}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_standard_window_takes_one_hop() {
        assert_eq!(Rung::for_delay(Duration::from_millis(1_199_990)).name(), "delay.1200s");
        assert_eq!(Rung::for_delay(Duration::from_secs(86_400)).name(), "delay.65536s");
        assert_eq!(Rung::for_delay(Duration::ZERO).name(), "delay.15ms");
        assert_eq!(Rung::all().count(), 24);
    }

    proptest! {
        #[test]
        fn any_due_time_is_met_within_25_ms_and_few_hops(due_ms in 1u64..86_400_000, hop_ms in 0u64..5) {
            let mut now = 0;
            let mut hops = 0;
            while now < due_ms {
                now += Rung::for_delay(Duration::from_millis(due_ms - now)).milliseconds() + hop_ms;
                hops += 1;
            }
            prop_assert!(now - due_ms <= OVERSHOOT_MS + hop_ms, "woke {} ms late", now - due_ms);
            prop_assert!(hops <= 26, "{hops} hops");
        }
    }
}

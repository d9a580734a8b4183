//! Growing delays. The only home of `backoff`: the crate was asked for by name and is unmaintained
//! (RUSTSEC-2025-0012), so that nothing else may come to depend on it.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Delays between attempts to reach a server: from a tenth of a second, doubling with jitter, to a ceiling.
pub struct Backoff(ExponentialBackoff);

impl Backoff {
    /// Delays that grow to `ceiling` and never give up.
    pub fn with_ceiling(ceiling: Duration) -> Self {
        Self(ExponentialBackoff {
            current_interval: Duration::from_millis(100),
            initial_interval: Duration::from_millis(100),
            multiplier: 2.0,
            max_interval: ceiling,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// Waits for the next, longer delay.
    pub async fn wait(&mut self) {
        let delay =
            self.0.next_backoff().expect("without a limit on elapsed time there is always a next delay");
        tokio::time::sleep(delay).await;
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// The first retry of an effect comes after this long …
const EFFECT_FIRST: Duration = Duration::from_secs(2);
/// … each further one after four times as long, up to eighteen hours …
const EFFECT_LONGEST: Duration = Duration::from_secs(65_536);
/// … and after so many attempts, two days, nobody waits for it any more.
const EFFECT_ATTEMPTS: u32 = 11;

/// How long an effect waits after it was tried `attempts` times in vain; nothing when that was often enough.
pub fn effect_delay(attempts: u32) -> Option<Duration> {
    let longer = 4u32.saturating_pow(attempts.saturating_sub(1));
    (attempts < EFFECT_ATTEMPTS).then(|| EFFECT_FIRST.saturating_mul(longer).min(EFFECT_LONGEST))
}

/// What alone was too slow waits this long the first time …
const SLOW_FIRST: Duration = Duration::from_secs(2);
/// … each further time four times as long, up to a rung of the ladder …
const SLOW_LONGEST: Duration = Duration::from_secs(1_024);
/// … and after so many times, a little more than an hour, a person has to look at it.
const SLOW_TRIES: u32 = 8;

/// How long a message waits that was too slow alone `tries` times before; nothing when that was often enough.
pub fn slow_delay(tries: u32) -> Option<Duration> {
    (tries < SLOW_TRIES).then(|| SLOW_FIRST.saturating_mul(4u32.saturating_pow(tries)).min(SLOW_LONGEST))
}

/// How long a message waits before attempt number `attempt` (the first retry is 1): 250 ms, doubling to 64 s.
pub fn message_delay(attempt: u32) -> Duration {
    Duration::from_millis(250) * 2u32.pow(attempt.saturating_sub(1).min(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_tried_for_two_days_ever_more_rarely() {
        let delays: Vec<u64> = (1..).map_while(effect_delay).map(|delay| delay.as_secs()).collect();
        assert_eq!(delays, [2, 8, 32, 128, 512, 2_048, 8_192, 32_768, 65_536, 65_536]);
        assert!(effect_delay(u32::MAX).is_none());
    }

    #[test]
    fn what_is_too_slow_is_tried_for_an_hour() {
        let delays: Vec<u64> = (0..).map_while(slow_delay).map(|delay| delay.as_secs()).collect();
        assert_eq!(delays, [2, 8, 32, 128, 512, 1_024, 1_024, 1_024]);
        assert!(delays.iter().sum::<u64>() > 3_600);
        assert!(slow_delay(u32::MAX).is_none());
    }
}

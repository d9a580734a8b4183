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

/// How long a message waits before attempt number `attempt` (the first retry is 1): 250 ms, doubling to 64 s.
pub fn message_delay(attempt: u32) -> Duration {
    Duration::from_millis(250) * 2u32.pow(attempt.saturating_sub(1).min(8))
}

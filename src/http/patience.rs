//! How long somebody waits for an outcome, and when to look for it: the only loop of this kind. A call says "look
//! again"; as it can be late, or lost with its connection, there are looks without one, too.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::watch::Subscription;

/// Whom nobody calls looks after this time, and then after longer and longer ones …
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// … up to this.
const SLOWEST_LOOK: Duration = Duration::from_secs(1);

/// A caller's patience. Look, and as long as there is no outcome, look [`again`](Self::again).
pub struct Patience {
    deadline: Instant,
    pause: Duration,
    calls: Option<Subscription>,
    stop: CancellationToken,
    is_over: bool,
}

impl Patience {
    /// Of somebody who is called when there may be something new, and looks this often in any case.
    pub fn with_calls(app: &App, patience: Duration, calls: Subscription, look_again: Duration) -> Self {
        Self { calls: Some(calls), pause: look_again, ..Self::without_calls(app, patience) }
    }

    /// Of somebody whom nobody calls.
    pub fn without_calls(app: &App, patience: Duration) -> Self {
        let deadline = Instant::now() + patience;
        Self { deadline, pause: FIRST_LOOK, calls: None, stop: app.stop.clone(), is_over: patience.is_zero() }
    }

    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits for the time of the next look; the last one is at the deadline. False once there is none any more. Nobody
    /// waits for a process that leaves.
    pub async fn again(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        let next_look = self.deadline.min(Instant::now() + self.pause);
        match &mut self.calls {
            Some(calls) => {
                let called = timeout_at(next_look, calls.changed());
                let _ = self.stop.run_until_cancelled(called).await;
            }
            None => {
                self.stop.run_until_cancelled(sleep_until(next_look)).await;
                self.pause = (self.pause * 3 / 2).min(SLOWEST_LOOK);
            }
        }
        self.is_over = Instant::now() >= self.deadline || self.stop.is_cancelled();
        true
    }
}

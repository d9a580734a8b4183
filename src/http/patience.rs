//! How long somebody waits for an outcome, and when they look for it: the only loop of this kind. A call says "look again"; as
//! it can be late, or lost with its connection, there are looks without one, too.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::app::App;
use super::auth;
use super::error::ApiError;
use super::visit::Stay;
use super::watch::Subscription;

/// Whom nobody calls looks after this time, and then after longer and longer ones …
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// … up to this; whoever may be called looks this often in any case.
const SLOWEST_LOOK: Duration = Duration::from_secs(1);
/// The look at the deadline itself gets this much.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// A caller's patience. [Look](Self::look), and as long as there is nothing to tell, look [`again`](Self::again).
pub struct Patience<'a> {
    app: &'a App,
    /// Nothing for somebody who has no place: they look once.
    stay: Option<Stay>,
    deadline: Instant,
    pause: Duration,
    is_over: bool,
}

impl<'a> Patience<'a> {
    pub fn new(app: &'a App, stay: Option<Stay>) -> Self {
        let patience = stay.as_ref().map_or(Duration::ZERO, |stay| stay.patience);
        let (deadline, is_over) = (Instant::now() + patience, stay.is_none());
        Self { app, stay, deadline, pause: FIRST_LOOK, is_over }
    }

    /// What somebody who may still be told anything finds, good or bad. Nothing, if there is nothing yet, and from a database that
    /// is away; whoever waits is told so soon after their deadline, whatever the database does.
    pub async fn look<T>(
        &mut self,
        looking: impl Future<Output = Result<Option<T>, ApiError>>,
    ) -> Option<Result<T, ApiError>> {
        let found = match &mut self.stay {
            None => looking.await,
            Some(stay) => {
                let looking = async {
                    auth::check(self.app, &mut stay.visit).await?;
                    looking.await
                };
                let limit = self.deadline.max(Instant::now() + LAST_LOOK);
                timeout_at(limit, looking).await.unwrap_or(Err(ApiError::DatabaseUnavailable))
            }
        };
        match found {
            Err(ApiError::DatabaseUnavailable) => None,
            found => found.transpose(),
        }
    }

    /// Waits for the time of the next look, which may be sooner if there are calls; the last one is at the deadline. False once
    /// there is none any more. Nobody waits for a process that leaves.
    pub async fn again(&mut self, calls: Option<&mut Subscription>) -> bool {
        if self.is_over {
            return false;
        }
        let stop = &self.app.stop;
        match calls {
            Some(calls) => {
                let due = calls.due(SLOWEST_LOOK, Some(self.deadline));
                let _ = stop.run_until_cancelled(due).await;
            }
            None => {
                let next_look = self.deadline.min(Instant::now() + self.pause);
                let _ = stop.run_until_cancelled(sleep_until(next_look)).await;
                self.pause = (self.pause * 3 / 2).min(SLOWEST_LOOK);
            }
        }
        self.is_over = Instant::now() >= self.deadline || stop.is_cancelled();
        true
    }
}

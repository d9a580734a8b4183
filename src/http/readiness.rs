//! Whether the database is ready, as of a second ago: however many ask at once, it is looked at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// So long a look counts after its end.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// What the last look found, shared by all who ask.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Option<ReadinessLook>>>);

struct ReadinessLook {
    ended: Instant,
    is_ready: bool,
}

impl Readiness {
    /// What the last look found, if that is not long ago, and otherwise what this one finds. Those who ask meanwhile wait for it;
    /// it goes on when whoever began it hangs up, so that nobody begins another by hanging up.
    pub async fn as_found_by(&self, look: impl Future<Output = bool> + Send + 'static) -> bool {
        let mut last = self.0.clone().lock_owned().await;
        if let Some(last) = last.as_ref().filter(|last| last.ended.elapsed() < GOOD_FOR) {
            return last.is_ready;
        }
        let looking = tokio::spawn(async move {
            let is_ready = look.await;
            *last = Some(ReadinessLook { ended: Instant::now(), is_ready });
            is_ready
        });
        looking.await.unwrap_or(false)
    }
}

//! Which pools an operator has paused. One task per process listens for changes, and looks by itself in case a
//! notification was lost; the runners look at what it knows.

use std::time::Duration;

use holdfast::pool::Pool;
use holdfast::store::{self, workers};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often to look without a notification.
const INTERVAL: Duration = Duration::from_secs(3);
/// A look that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(5);

/// The names of the paused pools; nothing before the first look.
type Known = Option<Vec<String>>;

/// What is known about pauses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pauses {
    known: watch::Receiver<Known>,
}

impl Pauses {
    /// Starts to watch. The pool should have a connection to spare for the notifications.
    pub fn watch(pool: PgPool, stop: CancellationToken) -> Self {
        let (learned, known) = watch::channel(None);
        tokio::spawn(async move { stop.run_until_cancelled(learn(&pool, &learned)).await });
        Self { known }
    }

    /// The gate of one pool.
    pub fn gate(&self, pool: Pool) -> Gate {
        Gate { pool: Some(pool.name()), known: self.known.clone() }
    }

    /// A gate of no pool, which is always open.
    pub fn no_gate(&self) -> Gate {
        Gate { pool: None, known: self.known.clone() }
    }
}

/// Open while its pool is not paused. While the database is away, what was known last counts; before the first look it is
/// shut, because a process that was just started must not take what an operator wants to be left alone.
#[derive(Debug, Clone)]
pub struct Gate {
    pool: Option<&'static str>,
    known: watch::Receiver<Known>,
}

impl Gate {
    /// Whether the pool may work now.
    pub fn is_open(&self) -> bool {
        opens(&self.known.borrow(), self.pool)
    }

    /// Waits until the pool may work.
    pub async fn opened(&self) {
        self.until(true).await;
    }

    /// Waits until the pool is paused.
    pub async fn shut(&self) {
        self.until(false).await;
    }

    async fn until(&self, open: bool) {
        let mut known = self.known.clone();
        if known.wait_for(|known| opens(known, self.pool) == open).await.is_err() {
            // The process stops, and nothing changes any more.
            std::future::pending::<()>().await;
        }
    }
}

fn opens(known: &Known, pool: Option<&str>) -> bool {
    let Some(pool) = pool else { return true };
    known.as_ref().is_some_and(|paused| paused.iter().all(|name| name != pool))
}

/// Keeps up with the table for ever.
async fn learn(pool: &PgPool, learned: &watch::Sender<Known>) {
    let mut listener = None;
    let (mut is_first, mut is_failing) = (true, false);
    loop {
        if listener.is_none() {
            listener = listen(pool).await.ok();
        }
        let read = store::within(pool, LIMIT, workers::pauses::list).await;
        match read {
            Ok(pauses) => {
                let names: Vec<String> = pauses.into_iter().map(|pause| pause.pool).collect();
                let is_news = learned.send_if_modified(|known| {
                    let is_news = known.as_ref() != Some(&names);
                    *known = Some(names.clone());
                    is_news
                });
                if is_news && !(is_first && names.is_empty()) {
                    info!(paused = ?names, "which pools are paused");
                }
                is_first = false;
                is_failing = false;
            }
            Err(error) if !is_failing => {
                is_failing = true;
                warn!(%error, "cannot see which pools are paused; what was known last counts");
            }
            Err(_) => {}
        }
        wait(&mut listener).await;
    }
}

async fn listen(pool: &PgPool) -> sqlx::Result<PgListener> {
    let opening = async {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(workers::pauses::CHANNEL).await?;
        Ok(listener)
    };
    timeout(LIMIT, opening).await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}

/// Waits for a notification or the next look.
async fn wait(listener: &mut Option<PgListener>) {
    let Some(open) = listener else {
        tokio::time::sleep(INTERVAL).await;
        return;
    };
    if let Ok(Err(_)) = timeout(INTERVAL, open.recv()).await {
        *listener = None;
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_waits_for_the_first_look_and_for_its_own_pause_only() {
        assert!(opens(&None, None));
        assert!(!opens(&None, Some("sweep")));
        assert!(opens(&Some(vec!["relay".to_owned()]), Some("sweep")));
        assert!(!opens(&Some(vec!["relay".to_owned(), "sweep".to_owned()]), Some("sweep")));
    }
}

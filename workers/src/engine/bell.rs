//! The bell that wakes the relay after a commit.
//!
//! A `NOTIFY` inside a transaction takes a lock of the whole database until that transaction is on the disk, which
//! makes all commits wait for each other. So the bell is rung afterwards, by one task, once for all commits that came
//! meanwhile. A ring lost in a crash costs no fact: the relay looks by itself every second.

use std::time::Duration;

use holdfast::store::{self, events};
use sqlx::PgPool;
use tokio::sync::watch;
use tracing::debug;

/// A ring that takes longer is not worth waiting for.
const LIMIT: Duration = Duration::from_secs(5);

/// Rings for the relay, wherever it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bell {
    pulled: watch::Sender<()>,
}

impl Bell {
    /// Starts the ringing task. It ends with the last handle.
    pub fn start(pool: PgPool) -> Self {
        let (pulled, mut pulls) = watch::channel(());
        tokio::spawn(async move {
            while pulls.changed().await.is_ok() {
                if let Err(error) = store::within(&pool, LIMIT, events::ring).await {
                    debug!(%error, "cannot wake the relay, it will look by itself");
                }
            }
        });
        Self { pulled }
    }

    /// Facts have been committed.
    pub fn ring(&self) {
        self.pulled.send_replace(());
    }
}

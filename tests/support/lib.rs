//! What tests stand on: a world of their own (database and vhost) on real servers, and a client at the front door.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod browser;
pub mod cart;
pub mod client;
pub mod crowd;
pub mod databases;
pub mod history;
pub mod mailbox;
pub mod messages;
pub mod processes;
pub mod random;
pub mod servers;
pub mod world;

use std::time::{Duration, Instant};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A caller is not kept waiting for a server that is away: programs give up after two seconds or three. The rest is for a
/// machine that is busy with other tests; without a limit it would take until the server is back.
pub const MAX_ANSWER: Duration = Duration::from_secs(10);

/// Waits until the condition gives a value, or fails the test with `what`.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, async || condition().await).await
}

/// [`eventually`] with a deadline of its own.
pub async fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

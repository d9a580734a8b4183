//! Moves the marks from which on the sweeper and the figures look for what is open.

use std::time::Duration;

use holdfast::store;
use holdfast::store::open_marks::{self, From, Kind};
use sqlx::PgPool;
use tracing::warn;

/// A statement that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(10);

/// Moves the mark of each kind. One that cannot be moved now stays where it is: what is open is found from there, too.
pub async fn move_marks(pool: &PgPool, from: From) {
    for kind in Kind::ALL {
        let moved = store::within(pool, LIMIT, async |conn| open_marks::move_mark(conn, kind, from).await);
        if let Err(error) = moved.await {
            warn!(%error, ?kind, "cannot move the mark before what is open now");
        }
    }
}

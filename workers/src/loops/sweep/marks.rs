//! Moves the marks from which on the sweeper and the figures look for what is open.

use std::time::Duration;

use chrono::{DateTime, Utc};
use holdfast::store::open_marks::{self, MarkKind};
use holdfast::store::{self, orders};
use sqlx::PgPool;
use tracing::{info, warn};

use crate::loops::review::Review;

/// A statement that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(10);

/// Moves the mark of each kind on. One that cannot be moved now stays where it is: what is open is found from there, too.
pub async fn move_marks(pool: &PgPool) {
    for kind in MarkKind::ALL {
        let moved = store::within(pool, LIMIT, async |conn| open_marks::move_on(conn, kind).await);
        if let Err(error) = moved.await {
            warn!(%error, ?kind, "cannot move the mark before what is open now");
        }
    }
}

/// Looks again at the next piece of the time before PostgreSQL's now.
pub(super) async fn review_marks(pool: &PgPool, review: &mut Review) {
    match store::within(pool, LIMIT, async |conn| orders::transaction_time(conn).await).await {
        Ok(now) => {
            let (from, until) = review.next(now);
            look_again(pool, from, until).await;
        }
        Err(error) => warn!(%error, "cannot look again at what the marks passed now"),
    }
}

/// Looks again at a span of time that the marks may have passed: a worker of the version before, which opens a payment again,
/// does not put them back.
pub async fn look_again(pool: &PgPool, from: DateTime<Utc>, until: DateTime<Utc>) {
    for kind in MarkKind::ALL {
        let looked =
            store::within(pool, LIMIT, async |conn| open_marks::look_again(conn, kind, from, until).await);
        match looked.await {
            Ok(true) => info!(?kind, %from, %until, "something is open that the mark had passed"),
            Ok(false) => {}
            Err(error) => warn!(%error, ?kind, %from, %until, "cannot look again at what the mark passed"),
        }
    }
}

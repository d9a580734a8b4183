//! The queues as operators see them: what the broker tells, and what our tables know of the age of what waits.

pub mod api;
pub mod pages;

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::broker::queues::{AgeIs, QueueKind, QueuesView};
use crate::store::workers::queue_looks::{self, Age};

/// What our tables know of the age of what waits.
pub async fn ages(conn: &mut PgConnection) -> sqlx::Result<Vec<Age>> {
    queue_looks::ages(conn).await
}

/// The same with an age for every queue in which something waits and of which our tables know one.
pub fn with_ages(mut view: QueuesView, ages: &[Age]) -> QueuesView {
    let known: HashMap<&str, i64> =
        ages.iter().map(|age| (age.queue.as_str(), age.at_most_seconds.max(0))).collect();
    for queue in view.queues.iter_mut().filter(|queue| queue.ready > 0 && queue.oldest_is.is_none()) {
        if queue.kind != QueueKind::Delay
            && let Some(seconds) = known.get(queue.name.as_str())
        {
            queue.oldest_seconds = Some(*seconds);
            queue.oldest_is = Some(AgeIs::AtMost);
        }
    }
    view
}

//! What may be wrong, as the page of health shows it: the numbers of `backlog`, counted up to a lower limit.

use super::Waiting;
use crate::store::workers::backlog;

/// Further than this nobody counts: what is wrong so often is wrong enough.
pub const COUNTED_AT_MOST: i64 = 1_000;

/// How many of something there are, and the age of the oldest.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
pub struct Backlog {
    /// How many, at most 1,000.
    pub count: i64,
    /// How old the oldest is; 0 if there is none.
    pub oldest_seconds: i64,
}

impl From<Waiting> for Backlog {
    fn from(waiting: Waiting) -> Self {
        Self { count: waiting.count, oldest_seconds: whole(waiting.oldest_seconds) }
    }
}

/// A page shows whole seconds.
fn whole(seconds: f64) -> i64 {
    seconds.round() as i64
}

/// Money on its way at a gateway.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OpenMoney {
    /// `payment`, `refund` or `charge`.
    pub kind: String,
    /// Where it stands: `requesting`, `unknown` or `returning`.
    pub status: String,
    /// How many, at most 1,000.
    pub count: i64,
    /// How old the oldest is.
    pub oldest_seconds: i64,
}

impl From<backlog::WaitingMoney> for OpenMoney {
    fn from(open: backlog::WaitingMoney) -> Self {
        let backlog::WaitingMoney { kind, status, count, oldest_seconds } = open;
        Self { kind, status, count, oldest_seconds: whole(oldest_seconds) }
    }
}

//! The one place that reads the wall clock. Whether a hold is still valid is asked of PostgreSQL's clock; this one
//! only times wake-ups and stamps messages.

use chrono::{DateTime, Utc};

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

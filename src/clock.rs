//! The one place that reads the wall clock. Whether a hold is still valid is asked of PostgreSQL's clock; this one
//! only stamps messages and log lines.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};

/// The current time, as this machine has it: it may be wrong.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    if cfg!(debug_assertions) { now + wrong_for_a_test() } else { now }
}

/// How far `HOLDFAST_CLOCK_AHEAD_SECONDS` makes this clock wrong. Debug builds only.
fn wrong_for_a_test() -> TimeDelta {
    static AHEAD: OnceLock<TimeDelta> = OnceLock::new();
    *AHEAD.get_or_init(|| {
        let seconds = std::env::var("HOLDFAST_CLOCK_AHEAD_SECONDS").ok();
        TimeDelta::seconds(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(0))
    })
}

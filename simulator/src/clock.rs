//! The simulator's clock: the wall clock, plus what a test has let pass.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, FixedOffset, NaiveDateTime, SubsecRound as _, TimeDelta, Utc};

/// A clock that can be put forward.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_seconds: AtomicI64,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulator is a world of its own, and this is its clock"
    )]
    pub(crate) fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.ahead_seconds.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, seconds: u32) {
        self.ahead_seconds.fetch_add(i64::from(seconds), Ordering::Relaxed);
    }
}

/// Korean time, which the gateway writes and reads.
fn seoul() -> FixedOffset {
    FixedOffset::east_opt(9 * 3600).expect("nine hours are an offset")
}

/// As the gateway writes times: whole seconds, Korean time.
pub(crate) fn written(time: DateTime<Utc>) -> String {
    time.with_timezone(&seoul()).trunc_subsecs(0).to_rfc3339()
}

/// As the gateway writes the time of an event: Korean time without saying so.
pub(crate) fn written_plainly(time: DateTime<Utc>) -> String {
    time.with_timezone(&seoul()).format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// A time of a query, such as `2026-01-31T00:00:00`: Korean time.
pub(crate) fn read(text: &str) -> Option<DateTime<Utc>> {
    let naive: NaiveDateTime = text.parse().ok()?;
    Some(naive.and_local_timezone(seoul()).single()?.to_utc())
}

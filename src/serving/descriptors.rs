//! How many files the process may have open, and how many of these connections may take.

use tracing::warn;

/// What a process opens beside the connections it serves and those to PostgreSQL: the broker, logs, timers, a resolver's
/// files, and the places for whoever asks how it is.
const OTHER_FILES: u64 = 64 + super::places::RESERVED as u64;

/// Raises the limit of open files as far as the system lets us, and tells how many connections fit beside `own` others.
pub fn connections_that_fit(own: u32) -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        warn!(%error, "the limit of open files cannot be raised");
        rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024)
    });
    let rest = limit.saturating_sub(OTHER_FILES + u64::from(own)).max(limit / 4);
    usize::try_from(rest).unwrap_or(usize::MAX)
}

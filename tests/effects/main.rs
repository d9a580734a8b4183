//! What follows from a payment, or from the end of a wait: counters, mails and reports, each exactly once for us and at least once under the same
//! name for others, whatever is killed, wiped or refused in between.

#![allow(clippy::unwrap_used, reason = "test names are sentences, and a test fails by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

use holdfast_testing as support;

mod counters;
mod crashes;
mod customers;
mod mails;
mod platform;
mod refunds;
mod reports;
mod smtp;
mod stage;
mod waits;

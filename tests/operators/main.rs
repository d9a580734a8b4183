//! What operators see and do, through the API, the pages and the command line.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "test names are sentences, and a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod observability;
mod promql;
mod rights;
mod secrets;
mod sessions;
mod traces;

//! What operators see and do, through the API, the pages and the command line.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test names are sentences, and a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod face;
mod health;
mod pools;
mod queues;
mod rights;
mod sessions;
mod workers;

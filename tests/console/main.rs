//! The console as a person uses it, in a real browser.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test names are sentences, and a test fails by panicking"
)]

mod browser;
#[path = "../support/mod.rs"]
mod support;

mod health;
mod keyboard;
mod screenshots;

//! The console as a person uses it, in a real browser.

#![allow(clippy::unwrap_used, reason = "test names are sentences, and a test fails by panicking")]

use holdfast_testing as support;

mod browser;
mod health;
mod keyboard;
mod payloads;
mod repair;
mod screenshots;
mod strangers;

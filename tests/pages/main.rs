//! Pages as a person uses them, in a real browser.

#![allow(clippy::unwrap_used, reason = "test names are sentences, and a test fails by panicking")]

use holdfast_testing as support;

mod browser;
mod console;
mod shop;

//! The console as a person uses it, in a real browser.

mod browser;
#[path = "../support/mod.rs"]
mod support;

mod keyboard;
mod screenshots;

//! The console as a person uses it, in a real browser.

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod keyboard;
mod payloads;
mod repair;
mod screenshots;
mod strangers;

//! What Holdfast survives: killed workers, killed servers, poison and floods.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "test names are sentences, and a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

#[test]
fn placeholder() {}

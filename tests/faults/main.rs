//! What Holdfast survives: killed workers, killed servers, poison and floods.

#![allow(missing_docs, reason = "test names are sentences")]

#[path = "../support/mod.rs"]
mod support;

#[test]
fn placeholder() {}

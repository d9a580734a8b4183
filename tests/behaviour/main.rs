//! What Holdfast does, seen through the front door: HTTP, a real broker, a real database.

#![allow(missing_docs, reason = "test names are sentences")]

#[path = "../support/mod.rs"]
mod support;

mod orders;

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
mod dead_letter_edits;
mod dead_letter_exports;
mod dead_letter_pages;
mod dead_letter_storm;
mod dead_letter_volume;
mod dead_letters;
mod letters;
mod replays;
mod rights;
mod sessions;

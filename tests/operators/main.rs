//! What operators see and do, through the API, the pages and the command line.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod rights;
mod sessions;

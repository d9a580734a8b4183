//! What operators see and do, through the API, the pages and the command line.

#![allow(clippy::unwrap_used, reason = "test names are sentences, and a test fails by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

use holdfast_testing as support;

#[path = "../payments/stage.rs"]
#[allow(dead_code, reason = "operators look at a part of what it can play")]
mod stage;

mod access;
mod command_line;
mod dead_letter_edits;
mod dead_letter_exports;
mod dead_letter_pages;
mod dead_letter_storm;
mod dead_letter_volume;
mod dead_letters;
mod face;
mod health;
mod letters;
mod money;
mod observability;
mod one_end;
mod order_actions;
mod order_pages;
mod order_search;
mod pools;
mod products;
mod promql;
mod queues;
mod replays;
mod rights;
mod secrets;
mod sessions;
mod stock;
mod stock_pages;
mod tables;
mod timeline;
mod traces;
mod workers;

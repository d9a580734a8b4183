//! However much a shop has behind it, what is done for one order, page or look stays the same: rows that PostgreSQL reads are
//! counted, with statistics that know nothing of the past and with fresh ones. How long it takes is measured by `make bench`.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test names are sentences, and a test fails by panicking"
)]

use holdfast_testing as support;

mod meter;
mod past;
mod products;
mod shop;
mod snapshots;

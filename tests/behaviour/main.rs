//! What Holdfast does, seen through the front door: HTTP, a real broker, a real database.

#![allow(clippy::unwrap_used, reason = "test names are sentences, and a test fails by panicking")]

use holdfast_testing as support;

mod api_documents;
mod auth;
mod bad_bodies;
mod bad_requests;
mod cancel;
mod carts;
mod catalogue;
mod checkouts;
mod cli;
mod crowds;
mod documents;
mod events;
mod extend;
mod fuzz;
mod guests;
mod handed_over;
mod hidden;
mod idempotency;
mod limits;
mod lists;
mod look_ups;
mod messages;
mod offers;
mod order_views;
mod orders;
mod owners;
mod points;
mod product_lists;
mod products;
mod rates;
mod raw_http;
mod returns;
mod sign_ins;
mod skus;
mod streams;
mod streams_and_waits;
mod waiting;
mod waiting_list;
mod waiting_timers;
mod wallets;

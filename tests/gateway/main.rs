//! What the adapter makes of a gateway's answers, over HTTP against the simulator and all that it does wrong.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test names are sentences, and a test fails by panicking"
)]

mod receiver;
mod stage;

mod breaker;
mod cancel;
mod checkout;
mod confirm;
mod controls;
mod find;
mod idempotency;
mod list;
mod secrets;
mod webhooks;

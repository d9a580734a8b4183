//! Card payments against the simulator over HTTP: whatever the gateway does, money and order agree in the end.

#![allow(clippy::unwrap_used, reason = "test names are sentences, and a test fails by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

use holdfast_testing as support;

mod cards;
mod crashes;
mod every_fault;
mod late_money;
mod life;
mod mishaps;
mod mixed;
mod reconciliation;
mod refunds;
mod stage;
mod storm;
mod traces;
mod wallet_charges;
mod webhooks;

//! A payment gateway to test against. It speaks Toss Payments' API over HTTP, keeps its books in memory, sends
//! webhooks, and does on request what gateways do wrong.
//!
//! It shares no code with Holdfast, so that a misreading of the API cannot hide by being made twice.
//!
//! # Controls
//!
//! | call | what |
//! |---|---|
//! | `POST /control/payments` `{orderId, amount, orderName?, paymentKey?, authenticated?}` | a payment as if the buyer had authenticated it: `{paymentKey, orderId, amount}` |
//! | `PUT /control/faults` `{calls: [...], webhooks: [...]}`; `POST` adds, `GET` lists, `DELETE` clears | what goes wrong |
//! | `GET /control/books` | every payment with what was taken and given back, totals, calls |
//! | `PUT /control/settings` `{latency_ms?, webhook_url?, webhook_format?, webhook_secrets?, webhook_retry_ms?}` | changes while it runs |
//! | `POST /control/clock` `{advance_seconds}` | lets time pass |
//! | `GET /control/webhooks`, `POST /control/webhooks/{id}/resend` | what was sent, and again |
//!
//! A fault of a call is `{"kind": …}` of `late {ms}`, `slow {ms}`, `hang {done?}`, `reset_before`, `done_then_reset`,
//! `error {status?, code?, done?, remembered?}`, `wrong_amount {amount}`, `wrong_order {another}`, `decline {code?}` or
//! `body {status, text}`; one of a webhook of `duplicate {times?}`, `reordered`, `delayed {ms}`, `dropped {times?}` or
//! `never`. Each takes `on` (`confirm`, `find`, `cancel`, `list`), `paymentKey`, `orderId`, `count` and `probability`
//! beside it: `{"on": "confirm", "kind": "done_then_reset", "count": 1}`. The first that fits strikes.

mod api;
mod auth;
mod books;
mod call;
mod checkout;
mod clock;
mod control;
mod error;
mod faults;
mod idempotency;
mod payment;
mod router;
mod server;
mod settings;
mod sign;
mod webhooks;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use settings::{Settings, WebhookFormat};

use world::World;

/// A running simulator; it ends when this is dropped.
pub struct Simulator {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Simulator {
    /// Opens the port and serves; port 0 takes a free one.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(settings.listen)
            .await
            .with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr().context("the port has no address")?;
        let stop = CancellationToken::new();
        let world = Arc::new(World::new(settings, stop.clone())?);
        tokio::spawn(world::expire_by_time(world.clone(), stop.clone()));
        tokio::spawn(server::serve(listener, router::routes(world), stop.clone()));
        Ok(Self { address, stop })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

//! What dealing with other systems takes, whoever they are: an HTTP client, TLS, secrets that cannot be printed,
//! signatures of webhooks, networks of addresses, and whether a page of our own asks.

pub mod client;
pub mod network;
pub mod origin;
pub mod secret;
pub mod tls;
pub mod webhook;

//! What dealing with other systems takes, whoever they are: an HTTP client, TLS, secrets that cannot be printed,
//! signatures of webhooks, networks of addresses.

pub mod client;
pub mod network;
pub mod secret;
pub mod tls;
pub mod webhook;

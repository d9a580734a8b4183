//! What dealing with other systems takes, whoever they are: an HTTP client, TLS, secrets that cannot be printed,
//! signatures of webhooks.

pub mod client;
pub mod secret;
pub mod tls;
pub mod webhook;

//! What dealing with other systems takes, whoever they are: an HTTP client, secrets that cannot be printed, signatures
//! of webhooks.

pub mod client;
pub mod secret;
pub mod webhook;

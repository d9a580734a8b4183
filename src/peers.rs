//! What dealing with other systems takes, whoever they are: an HTTP client, secrets that cannot be printed, signatures
//! of webhooks, networks of addresses.

pub mod client;
pub mod network;
pub mod secret;
pub mod webhook;

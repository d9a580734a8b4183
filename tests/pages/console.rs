//! What operators see.

mod health;
mod keyboard;
mod payloads;
mod repair;
mod screenshots;
mod strangers;

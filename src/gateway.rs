//! Payment gateways: one port, an adapter for each gateway. Nothing here queries or publishes.
//!
//! What a gateway answers is definite or it is unknown; unknown is not failed, and is asked again by `find`.

pub mod breaker;
pub mod guard;
pub mod port;
pub mod settings;
pub mod toss;

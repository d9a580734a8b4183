//! Holdfast holds stock for an order, lets the buyer pay, and gives the stock back by itself when the buyer does not.
//!
//! Arrows point one way: `http`, `ops` and the workers use `store`, `broker` and `gateway`, which use `domain`, which knows
//! nobody.

pub mod asyncapi;
pub mod audit;
pub mod broker;
pub mod clock;
pub mod config;
pub mod domain;
pub mod effects;
pub mod event;
pub mod gateway;
pub mod http;
pub mod message;
pub mod ops;
pub mod page;
pub mod peers;
pub mod places;
pub mod pool;
pub mod reconcile;
pub mod retry;
pub mod router;
pub mod serving;
pub mod shop;
pub mod store;
pub mod telemetry;
pub mod terminal;
pub mod wires;

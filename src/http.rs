//! The HTTP API: handlers, who may call them, and how answers and errors look.

pub mod app;
pub mod auth;
pub mod body;
pub mod charges;
pub mod command;
pub mod customers;
pub mod error;
pub mod events;
pub mod headers;
pub mod health;
pub mod observe;
pub mod orders;
pub mod outcome;
pub mod payments;
pub mod pools;
pub mod popular;
pub mod problem;
pub mod query;
pub mod refunds;
pub mod skus;
pub mod views;
pub mod wallets;
pub mod watch;
pub mod webhooks;

//! The HTTP API: handlers, who may call them, and how answers and errors look.

pub mod app;
pub mod auth;
pub mod body;
pub mod command;
pub mod error;
pub mod headers;
pub mod observe;
pub mod outcome;
pub mod patience;
pub mod pools;
pub mod problem;
pub mod query;
pub mod routes;
pub mod tokens;
pub mod views;
pub mod watch;

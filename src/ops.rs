//! What operators do. Each subject's file does the work, the [`desk`] does every act in the same order, a subject's `api`
//! answers JSON under `/v1/ops`, its `pages` draw the console under `/ops`, and the command line asks the API.

pub mod access;
pub mod actions;
pub mod chart;
pub mod console;
pub mod dead_letters;
pub mod desk;
mod errors;
pub mod event_log;
pub mod health;
pub mod money;
pub mod orders;
pub mod products;
pub mod queues;
pub mod rights;
pub mod stock;
pub mod workers;

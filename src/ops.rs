//! What operators do: one module with three faces. Each subject's file does the work, its `api` answers JSON under
//! `/v1/ops`, its `pages` draw the console under `/ops`, and `src/cli` calls the same functions from the command line.

pub mod access;
pub mod actions;
pub mod chart;
pub mod console;
pub mod dead_letters;
pub mod event_log;
pub mod health;
pub mod money;
pub mod orders;
pub mod page;
pub mod queues;
pub mod reason;
pub mod rights;
pub mod stock;
pub mod workers;

//! What runs beside the queues, by the clock or by a bell.

pub(crate) mod backlog;
pub(crate) mod check_truths;
pub mod feed_effects;
pub mod figures;
mod follow;
mod portion;
pub mod relay_events;
pub(crate) mod remove_old;
pub mod replay_dead_letters;
mod review;
pub mod serve_waiting;
pub mod sweep;
pub mod sweep_holds;

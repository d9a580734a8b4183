//! The batch cycle: what a worker is, and how its batches are taken, settled, finished and counted. It knows no worker.

pub mod bell;
pub mod context;
pub(crate) mod counted_at_commit;
mod finish;
mod parts;
pub mod pauses;
pub mod roster;
pub mod runner;
pub(crate) mod served;
pub mod settle;
pub mod stop_points;
mod traces;
pub mod worker;

//! The worker pools. `engine` takes batches and acknowledges them, and alone touches the broker's channels; `jobs` are the workers,
//! `steps` what they share, `loops` what runs beside the queues; `pools` is the list of all.

pub mod engine;
pub mod jobs;
pub mod loops;
pub mod pools;
pub mod steps;

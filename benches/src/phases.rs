//! The measurements, one file per kind.

pub(crate) mod throughput;

//! The measurements, one file per kind.

pub(crate) mod letters;
pub(crate) mod million;
pub(crate) mod payments;
pub(crate) mod products;
pub(crate) mod rates;
pub(crate) mod release;
pub(crate) mod requests;
pub(crate) mod steady;
pub(crate) mod throughput;

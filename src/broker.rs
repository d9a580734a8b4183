//! RabbitMQ: what is declared there, how a message gets in and what comes out. Never queries the database.

pub mod address;
pub mod connection;
pub mod delay;
pub mod depth;
pub mod envelope;
pub mod management;
pub mod publisher;
pub mod queues;
pub mod refusals;
pub mod settings;
pub mod topology;
pub mod wake_up;
mod wire;

/// What goes wrong between us and the broker. None of it is a message's fault.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The connection or channel is gone or refused.
    #[error("the broker cannot be used: {0}")]
    Protocol(#[from] lapin::Error),
    /// The address makes no sense.
    #[error(transparent)]
    Address(#[from] address::AddressError),
    /// No answer in time.
    #[error("the broker did not answer within {0:?}")]
    Timeout(std::time::Duration),
}

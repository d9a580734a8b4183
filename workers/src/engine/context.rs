//! What runners and loops are given, and why a channel is given up.

use std::time::Duration;

use holdfast::broker::BrokerError;
use holdfast::broker::address::Address;
use holdfast::broker::publisher::Publisher;
use holdfast::broker::topology::Topology;
use holdfast::pool::Pool;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::bell::Bell;
use super::pauses::{Gate, Pauses};
use super::roster::{Roster, Tally};

pub(crate) const BROKER_CEILING: Duration = Duration::from_secs(2);
pub(crate) const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// What every runner needs.
#[derive(Clone)]
pub struct Context {
    /// Where batches are applied.
    pub pool: PgPool,
    /// RabbitMQ. Each runner has a connection of its own: a message that the client library cannot even parse costs
    /// that connection, and no other queue shall pay for it.
    pub broker: Address,
    /// Takes what follows from a batch.
    pub publisher: Publisher,
    pub bell: Bell,
    /// What a broker that lost its data is told again.
    pub topology: Topology,
    /// Says when to stop.
    pub stop: CancellationToken,
    /// Which pools are paused.
    pub pauses: Pauses,
    /// The pools of this process, for its reports.
    pub roster: Roster,
    /// Open while the pool that this context is for is not paused.
    pub gate: Gate,
    /// Where its batches are noted.
    pub tally: Tally,
}

impl Context {
    /// The same for the runners of one pool of this process.
    pub fn join(&self, pool: Pool, runners: usize) -> Self {
        let (gate, tally) = (self.pauses.gate(pool), self.roster.join(pool, runners));
        Self { gate, tally, ..self.clone() }
    }
}

/// Why a channel is given up. What it delivered and was not acknowledged comes again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("told to stop")]
    Stopped,
    #[error("the pool is paused")]
    Paused,
    #[error("nothing is redelivered any more")]
    Trusted,
    #[error("what was redelivered did no harm so far")]
    SoFarSoGood,
    #[error("the broker ended the consumer")]
    ConsumerGone,
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl From<lapin::Error> for Ended {
    fn from(error: lapin::Error) -> Self {
        Self::Broker(error.into())
    }
}

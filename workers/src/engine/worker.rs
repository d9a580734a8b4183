//! What a worker is: a queue, a batch size, and one function from a batch to verdicts.

use std::time::Duration;

use chrono::{DateTime, Utc};
use holdfast::broker::envelope::{Incoming, Outgoing};
pub use holdfast::broker::wake_up::WakeUp;
use holdfast::domain::ids::{CommandId, OrderId, SkuId};
use holdfast::message::{ChargeWallet, Command, DecodeError, ResolvePayment, ResolveRefund, Version, decode};
use holdfast::telemetry::trace_parent::TraceParent;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// How often a message of a newer version is offered before it becomes a dead letter.
const NEWER_VERSION_ATTEMPTS: u32 = 3;
/// How often a command for an order nobody knows yet is tried: its `order.hold` may still be waiting. The delays
/// grow from 250 ms, eight of them span a minute.
pub const UNKNOWN_ORDER_ATTEMPTS: u32 = 8;

/// How much a worker takes at once.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Messages in one batch.
    pub messages: usize,
    /// Orders in one batch, where one message can carry many; the first message is always taken.
    pub weight: usize,
    /// Messages the broker hands out ahead of their acknowledgement.
    pub prefetch: u16,
}

/// A message with what surrounded it.
#[derive(Debug)]
pub struct Delivered<M> {
    pub incoming: Incoming,
    pub message: M,
}

/// What becomes of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is applied, or was before.
    Done,
    /// It is tried again later.
    Retry {
        /// Why, for the log and the dead letter.
        why: String,
        /// After this many retries it becomes a dead letter.
        limit: u32,
    },
    /// It is tried again after this time, however often it takes.
    Later {
        /// Why, for the log.
        why: &'static str,
        after: Duration,
    },
    /// It has been tried so often, and is looked at again after this time.
    NotBefore {
        /// What was left until then at the transaction's time, by PostgreSQL's clock.
        left: Duration,
        /// How often it was tried.
        attempts: u32,
    },
    /// It alone could not be done in time: it waits longer each time, and in the end a person has to look at it.
    TooSlow {
        /// What the database said.
        reason: String,
    },
    /// A person has to look at it.
    Dead {
        /// What kind of error.
        class: &'static str,
        /// The error in words.
        reason: String,
    },
}

/// Money that is not at its end at a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsettled {
    /// A card payment of an order.
    Payment(CommandId, OrderId),
    /// A refund to a card.
    Refund(CommandId, OrderId),
    /// A charge of a wallet by card.
    Charge(CommandId),
}

impl Unsettled {
    /// The payment, refund or charge.
    pub fn subject(self) -> Uuid {
        let (Self::Payment(id, _) | Self::Refund(id, _) | Self::Charge(id)) = self;
        id.0
    }

    /// The command to bring it to its end.
    pub fn message(self, now: DateTime<Utc>, trace: TraceParent) -> Outgoing {
        let (version, is_hint) = (Version, false);
        let trace = trace.to_string();
        let trace = Some(trace.as_str());
        match self {
            Self::Payment(payment_id, order_id) => {
                Outgoing::command(&ResolvePayment::new(payment_id, order_id), now, trace)
            }
            Self::Refund(refund_id, order_id) => {
                Outgoing::command(&ResolveRefund { version, refund_id, order_id }, now, trace)
            }
            Self::Charge(charge_id) => {
                Outgoing::command(&ChargeWallet { version, charge_id, is_hint }, now, trace)
            }
        }
    }
}

/// How often a command comes back to an order that is being paid: for about twenty minutes, longer than a gateway takes to
/// say no.
const WHILE_PAYING: u32 = 25;

/// Money is being asked for: what becomes of the order is not decided yet.
pub(crate) fn while_paying() -> Verdict {
    Verdict::Retry { why: "the order is being paid".to_owned(), limit: WHILE_PAYING }
}

/// What a worker made of a batch, as of its transaction's time.
#[derive(Debug, Default)]
pub struct Applied {
    /// One for each message, in order.
    pub verdicts: Vec<Verdict>,
    /// What to come back to.
    pub wake_ups: Vec<WakeUp>,
    /// What to bring to its end at a gateway.
    pub unsettled: Vec<Unsettled>,
}

impl Applied {
    /// Lets time pass since the transaction began.
    pub(crate) fn pass(&mut self, time: Duration) {
        for wake_up in &mut self.wake_ups {
            wake_up.pass(time);
        }
        for verdict in &mut self.verdicts {
            if let Verdict::NotBefore { left, .. } = verdict {
                *left = left.saturating_sub(time);
            }
        }
    }
}

/// What is to be done before a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// These holds are overdue and keep units from a buyer: they are to be released.
    Overdue(Vec<OrderId>),
    /// Units of these SKUs are free, and somebody in line may have them.
    Lines(Vec<SkuId>),
}

/// Why a batch could not be applied. Its transaction is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Something is to be done before this batch, in a transaction of its own: then apply the batch again.
    #[error("others come first: {0:?}")]
    InTheWay(Obstacle),
    /// Somebody else took what this batch had counted on: decide it again.
    #[error("others were faster")]
    Overtaken,
    /// The database said no; whether that is the messages' fault depends on what it said.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

pub trait Worker: Send + Sync + 'static {
    /// What it works on.
    type Message: Send + Sync + 'static;

    /// The queue it reads.
    fn queue(&self) -> String;

    /// How much it takes at once.
    fn limits(&self) -> BatchLimits;

    /// Reads one message, or says what becomes of it instead.
    fn read(&self, incoming: &Incoming) -> Result<Self::Message, Verdict>;

    /// How many orders a message touches.
    fn weight(&self, _message: &Self::Message) -> usize {
        1
    }

    /// Names what a message is about: orders, or what [`Unsettled::subject`] is. What follows from a batch goes on with
    /// the trace of the message about the same.
    fn subjects(&self, _message: &Self::Message, _about: &mut dyn FnMut(Uuid)) {}

    /// Asks others what [`apply`](Self::apply) has to know, before and outside its transaction. An error is one of the
    /// database, before anybody was asked: this is called again, for the batch or for parts of it.
    fn prepare(
        &self,
        _pool: &PgPool,
        _batch: &mut [Delivered<Self::Message>],
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Does away with what [`apply`](Self::apply) found in its way, in a transaction of its own. Only a worker that answers
    /// [`ApplyError::InTheWay`] needs it.
    fn make_way(
        &self,
        _tx: &mut PgConnection,
        _obstacle: &Obstacle,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Applies a batch in the given transaction. It may be called again for the same messages at any time, so it
    /// must find what it did before.
    fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<Self::Message>],
    ) -> impl Future<Output = Result<Applied, ApplyError>> + Send;
}

/// Reads a command's body: rubbish is dead at once, a newer version waits for a newer worker.
pub fn read_command<C: Command>(incoming: &Incoming) -> Result<C, Verdict> {
    decode(&incoming.body).map_err(|error| match error {
        DecodeError::NewerVersion(_) => {
            Verdict::Retry { why: error.to_string(), limit: NEWER_VERSION_ATTEMPTS }
        }
        DecodeError::TooLarge(_) | DecodeError::NotJson(_) | DecodeError::Invalid(_) => {
            Verdict::Dead { class: "malformed", reason: error.to_string() }
        }
    })
}

/// The verdict on a command for an order that has not been decided yet.
pub fn unknown_order() -> Verdict {
    Verdict::Retry { why: "the order is not known yet".to_owned(), limit: UNKNOWN_ORDER_ATTEMPTS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_counted_from_the_transactions_time_and_never_below_nothing() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let mut applied = Applied {
            verdicts: vec![Verdict::NotBefore { left: Duration::from_secs(9), attempts: 1 }],
            wake_ups: vec![WakeUp::new(at(5), vec![], at(1)), WakeUp::new(at(1), vec![], at(5))],
            unsettled: vec![],
        };
        applied.pass(Duration::from_secs(3));
        assert_eq!(applied.verdicts, [Verdict::NotBefore { left: Duration::from_secs(6), attempts: 1 }]);
        let left: Vec<u64> = applied.wake_ups.iter().map(|wake_up| wake_up.left.as_secs()).collect();
        assert_eq!(left, [1, 0]);
    }
}

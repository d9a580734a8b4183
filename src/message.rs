//! The commands: one struct each, with its queue. Bodies are JSON with a version; unknown fields are ignored.

mod effects;
mod orders;
mod payments;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use effects::{ReportOrder, SendMail};
pub use orders::{CancelOrder, ExpireOrders, ExtendHold, HoldOrder};
pub use payments::{
    CardPart, ChargeWallet, ConfirmPayment, PayBy, RefundOrder, ResolvePayment, ResolveRefund,
};

use crate::domain::ids::OrderId;

/// The largest body a worker reads, in bytes; the API takes no larger one either.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What messages that have to wait are for. Each purpose has a ladder of delay rungs of its own, because a rung waits for
/// every queue it feeds: a full one holds up what goes to others of its purpose, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Timers of holds. Nothing is ever ahead of them but other timers.
    Timers,
    /// Payments, refunds and charges.
    Money,
    Others,
}

impl Purpose {
    pub const ALL: [Purpose; 3] = [Purpose::Timers, Purpose::Money, Purpose::Others];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Hold stock for a new order.
    OrderHold,
    /// Release holds whose time is up.
    OrderExpire,
    /// Call an order off.
    OrderCancel,
    /// Give a hold more time.
    OrderExtend,
    /// Take payment for a hold.
    PaymentConfirm,
    /// Bring a card payment to its end.
    PaymentResolve,
    /// Give money back for units of a paid order.
    OrderRefund,
    /// Bring a refund to its end.
    RefundResolve,
    /// Bring a charge of a wallet by card to its end.
    WalletCharge,
    /// Write to a customer.
    MailSend,
    /// Tell the data platform.
    OrderReport,
}

impl Queue {
    pub const ALL: [Queue; 11] = [
        Queue::OrderHold,
        Queue::OrderExpire,
        Queue::OrderCancel,
        Queue::OrderExtend,
        Queue::PaymentConfirm,
        Queue::PaymentResolve,
        Queue::OrderRefund,
        Queue::RefundResolve,
        Queue::WalletCharge,
        Queue::MailSend,
        Queue::OrderReport,
    ];

    /// The queue's name, which is also its routing key and the `type` of its messages.
    pub fn name(self) -> &'static str {
        match self {
            Queue::OrderHold => "order.hold",
            Queue::OrderExpire => "order.expire",
            Queue::OrderCancel => "order.cancel",
            Queue::OrderExtend => "order.extend",
            Queue::PaymentConfirm => "payment.confirm",
            Queue::PaymentResolve => "payment.resolve",
            Queue::OrderRefund => "order.refund",
            Queue::RefundResolve => "refund.resolve",
            Queue::WalletCharge => "wallet.charge",
            Queue::MailSend => "mail.send",
            Queue::OrderReport => "order.report",
        }
    }

    /// What its messages are for while they wait.
    pub fn purpose(self) -> Purpose {
        match self {
            Queue::OrderExpire => Purpose::Timers,
            Queue::PaymentConfirm
            | Queue::PaymentResolve
            | Queue::OrderRefund
            | Queue::RefundResolve
            | Queue::WalletCharge => Purpose::Money,
            Queue::OrderHold
            | Queue::OrderCancel
            | Queue::OrderExtend
            | Queue::MailSend
            | Queue::OrderReport => Purpose::Others,
        }
    }

    /// Whether its worker waits for a payment gateway. One that hangs keeps a whole batch waiting.
    pub fn asks_a_gateway(self) -> bool {
        matches!(self, Queue::PaymentResolve | Queue::RefundResolve | Queue::WalletCharge)
    }

    /// Whether its worker waits for somebody outside: a gateway, a mail server, the data platform.
    pub fn waits_for_others(self) -> bool {
        self.asks_a_gateway() || matches!(self, Queue::MailSend | Queue::OrderReport)
    }

    /// The queue of this name.
    pub fn from_name(name: &str) -> Option<Queue> {
        Queue::ALL.into_iter().find(|queue| queue.name() == name)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A command that travels through a queue of its own.
pub trait Command: Serialize + DeserializeOwned + Send + Sync + 'static {
    const QUEUE: Queue;

    /// The one order it is about, if there is one.
    fn order_id(&self) -> Option<OrderId>;

    /// How many orders it touches: what a batch is measured by.
    fn weight(&self) -> usize {
        1
    }
}

/// The version every body carries. A body of a newer one is not understood and waits for a newer worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Version;

/// What [`Version`] is in JSON.
pub const CURRENT_VERSION: u16 = 1;

impl TryFrom<u16> for Version {
    type Error = String;
    fn try_from(version: u16) -> Result<Self, String> {
        if version == CURRENT_VERSION { Ok(Self) } else { Err(format!("version {version} is not known")) }
    }
}

impl From<Version> for u16 {
    fn from(_: Version) -> u16 {
        CURRENT_VERSION
    }
}

/// Why a body is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More than [`MAX_BODY_BYTES`].
    #[error("the body has {0} bytes, more than 65536")]
    TooLarge(usize),
    /// Not JSON at all.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON of a version this worker does not know yet.
    #[error("the body has version {0}, newer than this worker")]
    NewerVersion(u16),
    /// JSON that breaks a rule of the command.
    #[error("the body breaks a rule: {0}")]
    Invalid(String),
}

/// Writes a command's body.
pub fn encode(command: &impl Command) -> Vec<u8> {
    serde_json::to_vec(command).expect("a command has string keys and no failing serializer")
}

/// Reads a command's body.
pub fn decode<C: Command>(body: &[u8]) -> Result<C, DecodeError> {
    #[derive(Deserialize)]
    struct OnlyVersion {
        version: u16,
    }
    if body.len() > MAX_BODY_BYTES {
        return Err(DecodeError::TooLarge(body.len()));
    }
    serde_json::from_slice(body).map_err(|error| match serde_json::from_slice::<OnlyVersion>(body) {
        Ok(OnlyVersion { version }) if version > CURRENT_VERSION => DecodeError::NewerVersion(version),
        _ if error.is_data() => DecodeError::Invalid(error.to_string()),
        _ => DecodeError::NotJson(error.to_string()),
    })
}

/// Reads a body as the worker of this queue would, and says which one order it is about.
pub fn order_of(queue: Queue, body: &[u8]) -> Result<Option<OrderId>, DecodeError> {
    fn read<C: Command>(body: &[u8]) -> Result<Option<OrderId>, DecodeError> {
        decode::<C>(body).map(|command| command.order_id())
    }
    match queue {
        Queue::OrderHold => read::<HoldOrder>(body),
        Queue::OrderExpire => read::<ExpireOrders>(body),
        Queue::OrderCancel => read::<CancelOrder>(body),
        Queue::OrderExtend => read::<ExtendHold>(body),
        Queue::PaymentConfirm => read::<ConfirmPayment>(body),
        Queue::PaymentResolve => read::<ResolvePayment>(body),
        Queue::OrderRefund => read::<RefundOrder>(body),
        Queue::RefundResolve => read::<ResolveRefund>(body),
        Queue::WalletCharge => read::<ChargeWallet>(body),
        Queue::MailSend => read::<SendMail>(body),
        Queue::OrderReport => read::<ReportOrder>(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANCEL: &str = r#"{"version":1,"command_id":"00000000-0000-0000-0000-000000000001",
        "order_id":"00000000-0000-0000-0000-000000000002","from_the_future":true}"#;

    #[test]
    fn unknown_fields_are_ignored() {
        assert!(decode::<CancelOrder>(CANCEL.as_bytes()).is_ok());
    }

    #[test]
    fn a_newer_version_is_told_from_rubbish() {
        let newer = CANCEL.replace("\"version\":1", "\"version\":2");
        assert_eq!(decode::<CancelOrder>(newer.as_bytes()), Err(DecodeError::NewerVersion(2)));
        assert!(matches!(decode::<CancelOrder>(b"{"), Err(DecodeError::NotJson(_))));
        assert!(matches!(decode::<CancelOrder>(br#"{"version":1}"#), Err(DecodeError::Invalid(_))));
    }
}

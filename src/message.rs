//! The commands: one struct each, with its queue. Bodies are JSON with a version; unknown fields are ignored.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, CustomerId, Fingerprint, OrderId};
use crate::domain::items::{HoldSeconds, RequestedItems};
use crate::domain::money::Won;
use crate::domain::payment::Parts;
use crate::domain::refund::{Asked, RefundReason};

/// The largest body a worker reads, in bytes; the API takes no larger one either.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The command queues.
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
    /// Every command queue.
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
    /// Where it waits.
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

const CURRENT_VERSION: u16 = 1;

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

/// `order.hold`: hold stock for a new order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldOrder {
    /// See [`Version`].
    pub version: Version,
    /// The order to be.
    pub order_id: OrderId,
    /// Who asks.
    pub customer_id: CustomerId,
    /// For what.
    pub items: RequestedItems,
    /// For how long.
    pub hold_seconds: HoldSeconds,
    /// What was asked for, as a hash.
    pub fingerprint: Fingerprint,
}

impl Command for HoldOrder {
    const QUEUE: Queue = Queue::OrderHold;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.expire`: a wake-up call for holds that are due together. The truth is `orders.expires_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpireOrders {
    /// See [`Version`].
    pub version: Version,
    /// When their time is up, as it stood when the call was ordered.
    pub due_at: DateTime<Utc>,
    /// The orders to look at.
    pub order_ids: Vec<OrderId>,
}

impl Command for ExpireOrders {
    const QUEUE: Queue = Queue::OrderExpire;
    fn order_id(&self) -> Option<OrderId> {
        None
    }
    fn weight(&self) -> usize {
        self.order_ids.len()
    }
}

/// `order.cancel`: call an order off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelOrder {
    /// See [`Version`].
    pub version: Version,
    /// This command.
    pub command_id: CommandId,
    /// Which order.
    pub order_id: OrderId,
}

impl Command for CancelOrder {
    const QUEUE: Queue = Queue::OrderCancel;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.extend`: give a hold more time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtendHold {
    /// See [`Version`].
    pub version: Version,
    /// This command.
    pub command_id: CommandId,
    /// Which order.
    pub order_id: OrderId,
    /// How much later the deadline shall be, in seconds.
    pub extend_seconds: HoldSeconds,
}

impl Command for ExtendHold {
    const QUEUE: Queue = Queue::OrderExtend;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// How an order is to be paid.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum PayBy {
    /// From the customer's wallet.
    #[default]
    Wallet,
    /// By a payment that the buyer has authenticated at the gateway.
    Card(CardPart),
    /// From several of these together.
    Mixed {
        /// From the wallet.
        #[serde(default)]
        wallet_won: Won,
        /// From the customer's points.
        #[serde(default)]
        points_won: Won,
        /// By card.
        #[serde(default)]
        card: Option<CardPart>,
    },
}

/// A payment that the buyer has authenticated at the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardPart {
    /// Its name there.
    pub payment_key: PaymentKey,
    /// What the buyer agreed to.
    pub amount_won: Won,
}

impl PayBy {
    /// What it takes from where, for an order of this amount.
    pub fn parts(&self, amount: Won) -> Parts {
        match self {
            Self::Wallet => Parts { wallet: amount, ..Parts::default() },
            Self::Card(card) => Parts { card: card.amount_won, ..Parts::default() },
            Self::Mixed { wallet_won, points_won, card } => Parts {
                wallet: *wallet_won,
                points: *points_won,
                card: card.as_ref().map_or(Won(0), |card| card.amount_won),
            },
        }
    }

    /// The gateway's name of it, if a part is paid by card.
    pub fn payment_key(&self) -> Option<&PaymentKey> {
        match self {
            Self::Card(card) | Self::Mixed { card: Some(card), .. } if card.amount_won > Won(0) => {
                Some(&card.payment_key)
            }
            _ => None,
        }
    }
}

/// `payment.confirm`: pay an order, from its customer's wallet and points, by card, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfirmPayment {
    /// See [`Version`].
    pub version: Version,
    /// This command, and the payment it makes.
    pub command_id: CommandId,
    /// Which order.
    pub order_id: OrderId,
    /// How.
    #[serde(default)]
    pub pay_by: PayBy,
}

impl Command for ConfirmPayment {
    const QUEUE: Queue = Queue::PaymentConfirm;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `payment.resolve`: ask the gateway what a card payment needs to come to its end. What that is, its row says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolvePayment {
    /// See [`Version`].
    pub version: Version,
    /// Which payment.
    pub payment_id: CommandId,
    /// Its order.
    pub order_id: OrderId,
    /// Whether this only hurries another message of the same payment, which goes on asking if this one learns nothing.
    #[serde(default)]
    pub is_hint: bool,
}

impl Command for ResolvePayment {
    const QUEUE: Queue = Queue::PaymentResolve;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.refund`: give money back for units of a paid order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundOrder {
    /// See [`Version`].
    pub version: Version,
    /// This command, and the refund it makes.
    pub command_id: CommandId,
    /// Which order.
    pub order_id: OrderId,
    /// What.
    pub asked: Asked,
    /// Why, in the shop's words.
    pub reason: RefundReason,
}

impl Command for RefundOrder {
    const QUEUE: Queue = Queue::OrderRefund;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `mail.send`: write to the customer about a fact. What is left to do, its row in the outbox says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendMail {
    /// See [`Version`].
    pub version: Version,
    /// The fact's place in the event log.
    pub event_id: i64,
    /// The order it is about.
    pub order_id: OrderId,
}

impl Command for SendMail {
    const QUEUE: Queue = Queue::MailSend;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `refund.resolve`: ask the gateway to give the card's part of a refund back, until it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolveRefund {
    /// See [`Version`].
    pub version: Version,
    /// Which refund.
    pub refund_id: CommandId,
    /// Its order.
    pub order_id: OrderId,
}

impl Command for ResolveRefund {
    const QUEUE: Queue = Queue::RefundResolve;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.report`: tell the data platform a fact. What is left to do, its row in the outbox says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportOrder {
    /// See [`Version`].
    pub version: Version,
    /// The fact's place in the event log.
    pub event_id: i64,
    /// The order it is about.
    pub order_id: OrderId,
}

impl Command for ReportOrder {
    const QUEUE: Queue = Queue::OrderReport;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `wallet.charge`: ask the gateway what a charge by card needs to come to its end. What that is, its row says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChargeWallet {
    /// See [`Version`].
    pub version: Version,
    /// Which charge.
    pub charge_id: CommandId,
    /// Whether this only hurries another message of the same charge, which goes on asking if this one learns nothing.
    #[serde(default)]
    pub is_hint: bool,
}

impl Command for ChargeWallet {
    const QUEUE: Queue = Queue::WalletCharge;
    fn order_id(&self) -> Option<OrderId> {
        None
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

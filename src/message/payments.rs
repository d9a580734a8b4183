//! Commands about money.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Command, Queue, Version};
use crate::domain::card::Stated;
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, Fingerprint, OrderId};
use crate::domain::money::Won;
use crate::domain::payment::Parts;
use crate::domain::refund::{Asked, RefundReason};

/// How an order is to be paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum PayBy {
    /// From the customer's wallet.
    Wallet {
        /// What the buyer was told the order costs; another amount is not taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_amount_won: Option<Won>,
    },
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CardPart {
    /// Its name there.
    pub payment_key: PaymentKey,
    /// What the buyer agreed to.
    pub amount_won: Won,
}

impl Default for PayBy {
    fn default() -> Self {
        Self::Wallet { expected_amount_won: None }
    }
}

impl PayBy {
    /// What the buyer was told the order costs, where that is not the sum of the parts anyway.
    pub fn expected_amount(&self) -> Option<Won> {
        match self {
            Self::Wallet { expected_amount_won } => *expected_amount_won,
            Self::Card(_) | Self::Mixed { .. } => None,
        }
    }

    /// What it takes from where, for an order of this amount.
    pub fn parts(&self, amount: Won) -> Parts {
        match self {
            Self::Wallet { .. } => Parts { wallet: amount, ..Parts::default() },
            Self::Card(card) => Parts { card: card.amount_won, ..Parts::default() },
            Self::Mixed { wallet_won, points_won, card } => Parts {
                wallet: *wallet_won,
                points: *points_won,
                card: card.as_ref().map_or(Won(0), |card| card.amount_won),
            },
        }
    }

    /// What it asks for, as a hash.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&serde_json::to_string(self).expect("a way to pay has string keys"))
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmPayment {
    /// The version of the body.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvePayment {
    /// The version of the body.
    pub version: Version,
    /// Which payment.
    pub payment_id: CommandId,
    /// Its order.
    pub order_id: OrderId,
    /// Whether this only hurries another message of the same payment, which goes on asking if this one learns nothing.
    #[serde(default)]
    pub is_hint: bool,
    /// What an operator found out, who has looked where the gateway's answers do not tell: it is not asked then.
    #[serde(default)]
    pub stated: Option<Stated>,
}

impl ResolvePayment {
    /// To be asked for until the answer is definite.
    pub fn new(payment_id: CommandId, order_id: OrderId) -> Self {
        Self { version: Version, payment_id, order_id, is_hint: false, stated: None }
    }

    /// To hurry another message of the same payment.
    pub fn hint(payment_id: CommandId, order_id: OrderId) -> Self {
        Self { is_hint: true, ..Self::new(payment_id, order_id) }
    }
}

impl Command for ResolvePayment {
    const QUEUE: Queue = Queue::PaymentResolve;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.refund`: give money back for units of a paid order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundOrder {
    /// The version of the body.
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

/// `refund.resolve`: ask the gateway to give the card's part of a refund back, until it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolveRefund {
    /// The version of the body.
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

/// `wallet.charge`: ask the gateway what a charge by card needs to come to its end. What that is, its row says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChargeWallet {
    /// The version of the body.
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

//! What is told outside about money that moved.

use chrono::{DateTime, Utc};

use super::contact::EmailAddress;
use super::ids::{CommandId, CustomerId, OrderId, SkuCode};
use super::money::Won;

/// A fact to tell, with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The fact's place in the event log.
    pub event_id: i64,
    pub occurred_at: DateTime<Utc>,
    /// The order it is about.
    pub order_id: OrderId,
    /// Whose order that is.
    pub customer_id: CustomerId,
    /// Where they are written to, if they said so.
    pub email: Option<EmailAddress>,
    pub matter: Matter,
    /// How much money moved.
    pub amount: Won,
    /// For which items.
    pub items: Vec<NoticeItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// The order was paid.
    Paid { payment_id: CommandId },
    /// Money was given back.
    Refunded {
        refund_id: CommandId,
        /// Whether nothing of the order is left.
        is_whole: bool,
    },
}

impl Matter {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Paid { .. } => "order.paid",
            Self::Refunded { .. } => "order.refunded",
        }
    }
}

/// One SKU of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeItem {
    pub sku: SkuCode,
    /// Its name when the order was held.
    pub name: String,
    pub quantity: i32,
    /// What was paid or given back for them.
    pub amount: Won,
}

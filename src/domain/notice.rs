//! What is told outside: that money moved, or that a wait has ended.

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
    /// How much money moved, or what the order costs.
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
    /// The order has waited in line, and it is its turn.
    Held {
        waiting_since: DateTime<Utc>,
        /// Its deadline when the hold began.
        expires_at: DateTime<Utc>,
        /// Its deadline now; nothing if it is on hold no longer or its time is up.
        held_until: Option<DateTime<Utc>>,
    },
    /// The order has waited in line, and its turn did not come.
    Refused { waiting_since: DateTime<Utc> },
}

impl Matter {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Paid { .. } => "order.paid",
            Self::Refunded { .. } => "order.refunded",
            Self::Held { .. } => "order.held",
            Self::Refused { .. } => "order.refused",
        }
    }

    /// Whether it calls the customer to do what cannot be done any more, or is done.
    pub fn comes_too_late(self) -> bool {
        matches!(self, Self::Held { held_until: None, .. })
    }
}

/// One SKU of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeItem {
    pub sku: SkuCode,
    /// Its name when the order was held.
    pub name: String,
    pub quantity: i32,
    /// What they cost, or what was given back for them.
    pub amount: Won,
}

//! The facts of the event log: what happened to an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::{CommandId, CustomerId, SkuCode};
use crate::domain::money::Won;
use crate::domain::refund::RefundRefusal;
use crate::domain::refusal::{DeclineReason, ExtensionRefusal, Refusal};

/// Something that happened to one order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OrderEvent {
    /// Others have what it wants, and it waits in line.
    Waiting {
        /// Whose order.
        customer_id: CustomerId,
        /// What it costs.
        amount_won: Won,
        /// Its turn comes before this instant or not at all.
        wait_until: DateTime<Utc>,
    },
    /// Its stock is set aside.
    Held {
        /// Whose order.
        customer_id: CustomerId,
        /// What it costs.
        amount_won: Won,
        /// Until when it is held.
        expires_at: DateTime<Utc>,
        /// Since when it waited in line, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        waiting_since: Option<DateTime<Utc>>,
    },
    /// It cannot be held.
    Refused {
        /// Whose order.
        customer_id: CustomerId,
        /// Why.
        refusal: Refusal,
        /// Since when it waited in line, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        waiting_since: Option<DateTime<Utc>>,
    },
    /// It was not paid in time; its units are given back.
    Expired {
        /// Its deadline.
        expires_at: DateTime<Utc>,
        /// When the units were given back.
        released_at: DateTime<Utc>,
    },
    /// It was called off; its units are given back.
    Cancelled {},
    /// It has more time.
    Extended {
        /// The new deadline.
        expires_at: DateTime<Utc>,
    },
    /// It gets no more time.
    ExtensionRefused {
        /// Why.
        reason: ExtensionRefusal,
    },
    /// It is paid; its units are sold.
    Paid {
        /// The payment.
        payment_id: CommandId,
        /// What was paid.
        amount_won: Won,
        /// With what.
        method: &'static str,
    },
    /// An attempt to pay it came to nothing; the hold stays.
    PaymentDeclined {
        /// The attempt.
        payment_id: CommandId,
        /// Why.
        reason: DeclineReason,
        /// The gateway's code.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// Money came by card for an order that was no longer waiting for it.
    PaymentLate {
        /// The payment.
        payment_id: CommandId,
        /// What came.
        amount_won: Won,
        /// Whether the order was held again and is paid now; if not, the money goes back.
        paid: bool,
    },
    /// Late money is back where it came from.
    PaymentReturned {
        /// The payment.
        payment_id: CommandId,
        /// What went back.
        amount_won: Won,
    },
    /// Money for units of it is back where it came from.
    Refunded {
        /// The refund.
        refund_id: CommandId,
        /// What went back.
        amount_won: Won,
        /// Whether everything is back now.
        is_whole: bool,
        /// The units.
        items: Vec<RefundedItem>,
    },
    /// Nothing was given back.
    RefundRefused {
        /// The refund.
        refund_id: CommandId,
        /// Why.
        reason: RefundRefusal,
        /// The gateway's code.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
}

/// Units of one SKU whose money went back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundedItem {
    /// The SKU's code.
    pub sku: SkuCode,
    /// How many units.
    pub quantity: i32,
    /// What they cost.
    pub amount_won: Won,
    /// Whether they are sold again; written off otherwise.
    pub restocked: bool,
}

impl OrderEvent {
    /// Every name an event can have.
    pub const KINDS: [&str; 13] = [
        "order.waiting",
        "order.held",
        "order.refused",
        "order.expired",
        "order.cancelled",
        "order.extended",
        "order.extension_refused",
        "order.paid",
        "payment.declined",
        "payment.late",
        "payment.returned",
        "order.refunded",
        "refund.refused",
    ];

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "order.waiting",
            Self::Held { .. } => "order.held",
            Self::Refused { .. } => "order.refused",
            Self::Expired { .. } => "order.expired",
            Self::Cancelled {} => "order.cancelled",
            Self::Extended { .. } => "order.extended",
            Self::ExtensionRefused { .. } => "order.extension_refused",
            Self::Paid { .. } => "order.paid",
            Self::PaymentDeclined { .. } => "payment.declined",
            Self::PaymentLate { .. } => "payment.late",
            Self::PaymentReturned { .. } => "payment.returned",
            Self::Refunded { .. } => "order.refunded",
            Self::RefundRefused { .. } => "refund.refused",
        }
    }

    /// Whether it decides about a new order, so that no fact of that order comes before it.
    pub fn is_first(&self) -> bool {
        matches!(
            self,
            Self::Waiting { .. }
                | Self::Held { waiting_since: None, .. }
                | Self::Refused { waiting_since: None, .. }
        )
    }

    /// What belongs to it, as JSON.
    pub fn data(&self) -> String {
        serde_json::to_string(self).expect("an event has string keys and no failing serializer")
    }
}

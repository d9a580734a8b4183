//! The states of an order. Each carries only what it has, and a transition consumes the state it leaves.

use chrono::{DateTime, Utc};

use super::refusal::Refusal;

/// Where an order stands.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderState {
    /// Waiting in the queue: no row yet.
    Accepted,
    /// Stock is set aside until the hold's deadline.
    Held(Hold),
    /// Money is being asked for; expiry leaves it alone.
    Paying(Hold),
    /// Paid in full.
    Paid {
        /// When.
        paid_at: DateTime<Utc>,
    },
    /// Paid, and some of it given back.
    PartlyRefunded,
    /// Paid, and all of it given back.
    Refunded,
    /// Never held.
    Refused(Refusal),
    /// Not paid in time; its units are given back.
    Expired {
        /// The deadline it missed.
        expires_at: DateTime<Utc>,
        /// When its units were given back.
        released_at: DateTime<Utc>,
    },
    /// Called off by the buyer; its units are given back.
    Cancelled {
        /// When.
        cancelled_at: DateTime<Utc>,
    },
}

/// Stock set aside for one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// When the hold began.
    pub began_at: DateTime<Utc>,
    /// From this instant on it cannot be paid, released or not.
    pub expires_at: DateTime<Utc>,
    /// How often it was extended.
    pub extension_count: i16,
}

impl Hold {
    /// Whether its time is up. Validity is this comparison; release is bookkeeping that follows.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }
}

impl OrderState {
    /// The state's name, the same word in messages, tables, pages and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held(_) => "held",
            Self::Paying(_) => "paying",
            Self::Paid { .. } => "paid",
            Self::PartlyRefunded => "partly_refunded",
            Self::Refunded => "refunded",
            Self::Refused(_) => "refused",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Whether only a refund or late money can still change it.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Accepted | Self::Held(_) | Self::Paying(_))
    }
}

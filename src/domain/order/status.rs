//! The names of an order's states, written once.

/// Which state an order is in, without what it has there: see [`super::OrderState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    Accepted,
    Waiting,
    Held,
    Paying,
    Paid,
    PartlyRefunded,
    Refunded,
    Refused,
    Expired,
    Cancelled,
}

impl OrderStatus {
    /// Every status that a row can have: an order that is only accepted has none.
    pub const ALL: [OrderStatus; 9] = [
        Self::Waiting,
        Self::Held,
        Self::Paying,
        Self::Paid,
        Self::PartlyRefunded,
        Self::Refunded,
        Self::Refused,
        Self::Expired,
        Self::Cancelled,
    ];

    /// Its name, the same word in messages, tables, pages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Paying => "paying",
            Self::Paid => "paid",
            Self::PartlyRefunded => "partly_refunded",
            Self::Refunded => "refunded",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name that a row can have.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

//! What Holdfast and a payment gateway call things by, and what a payment found there means for the one we asked for.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Invalid;
use super::ids::{OrderId, text_type};
use super::money::Won;

/// Whether a text has only characters without a meaning in URLs, as names that stand there must.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'='))
}

text_type!(
    /// A gateway's name of a payment. It comes from the buyer's browser, so it is trusted for nothing.
    PaymentKey,
    "payment_key",
    "1 to 200 of the characters A-Z a-z 0-9 - _ =",
    |text| (1..=200).contains(&text.len()) && is_plain(text)
);

text_type!(
    /// What a gateway knows as the order: our name of one purpose that money is asked for.
    GatewayOrderId,
    "gateway_order_id",
    "6 to 64 of the characters A-Z a-z 0-9 - _ =",
    |text| (6..=64).contains(&text.len()) && is_plain(text)
);

text_type!(
    /// The idempotency key of a call to a gateway. Gateways compare the key alone, not the body: every purpose needs a
    /// key of its own, and a repetition must use the same one.
    CallKey,
    "call_key",
    "1 to 300 visible ASCII characters",
    |text| (1..=300).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

impl From<OrderId> for GatewayOrderId {
    fn from(id: OrderId) -> Self {
        Self(id.to_string())
    }
}

impl From<Uuid> for GatewayOrderId {
    fn from(id: Uuid) -> Self {
        Self(id.to_string())
    }
}

impl From<Uuid> for CallKey {
    fn from(id: Uuid) -> Self {
        Self(id.to_string())
    }
}

/// Where a payment stands at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayStatus {
    /// The buyer has not authenticated.
    Ready,
    /// The buyer has authenticated; nothing is taken yet.
    InProgress,
    /// The buyer was told an account to pay into.
    WaitingForDeposit,
    /// The money is ours.
    Done,
    /// Part of it was given back.
    PartlyCancelled,
    /// All of it was given back.
    Cancelled,
    Aborted,
    /// The time to confirm it is over.
    Expired,
}

/// A payment as the gateway has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayPayment {
    pub key: PaymentKey,
    /// What it is for.
    pub order: GatewayOrderId,
    pub status: GatewayStatus,
    /// What was asked for.
    pub total: Won,
    /// What is left of it after cancels.
    pub balance: Won,
    /// How it was paid, in the gateway's words.
    pub method: Option<String>,
    /// When the money was taken.
    pub approved_at: Option<DateTime<Utc>>,
    /// The gateway's name of the last movement of its money.
    pub last_transaction: Option<String>,
    /// What was given back, in order.
    pub cancels: Vec<GatewayCancel>,
}

/// Money a gateway gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayCancel {
    /// Its name at the gateway.
    pub transaction: String,
    pub amount: Won,
    /// What was given as the reason; a caller that writes its own id there finds its cancel again by it.
    pub reason: String,
    pub cancelled_at: Option<DateTime<Utc>>,
}

/// What a payment at the gateway means for the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The whole amount was taken; `returned` of it has been given back since.
    Captured {
        /// What was given back, up to all of it.
        returned: Won,
    },
    /// Nothing is taken yet, and may still be.
    Pending,
    /// Nothing was taken, and never will be under this payment key.
    NotTaken,
    /// It is not the payment that was asked for: a person must look.
    Differs { field: &'static str },
}

impl GatewayPayment {
    /// Compares a found payment with what was asked for; it stands for nothing unless order and amount agree.
    pub fn standing(&self, order: &GatewayOrderId, amount: Won) -> Standing {
        if self.order != *order {
            return Standing::Differs { field: "order" };
        }
        if self.total != amount {
            return Standing::Differs { field: "amount" };
        }
        match self.status {
            GatewayStatus::Done | GatewayStatus::PartlyCancelled | GatewayStatus::Cancelled => {
                Standing::Captured { returned: Won(self.total.0 - self.balance.0) }
            }
            GatewayStatus::Ready | GatewayStatus::InProgress | GatewayStatus::WaitingForDeposit => {
                Standing::Pending
            }
            GatewayStatus::Aborted | GatewayStatus::Expired => Standing::NotTaken,
        }
    }
}

/// Which way money went in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionKind {
    Capture,
    /// Back to the buyer.
    Cancel,
    /// Nowhere: an account was told, for example.
    Other,
}

/// Money that moved, as a gateway lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTransaction {
    /// Its name at the gateway.
    pub transaction: String,
    /// The payment it belongs to.
    pub payment: PaymentKey,
    /// What that payment was for, as the gateway was told; older ones may not follow our rules.
    pub order: String,
    /// Which way the money went.
    pub kind: TransactionKind,
    /// How much, never negative.
    pub amount: Won,
    pub at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATUSES: [GatewayStatus; 8] = [
        GatewayStatus::Ready,
        GatewayStatus::InProgress,
        GatewayStatus::WaitingForDeposit,
        GatewayStatus::Done,
        GatewayStatus::PartlyCancelled,
        GatewayStatus::Cancelled,
        GatewayStatus::Aborted,
        GatewayStatus::Expired,
    ];

    fn order(name: &str) -> GatewayOrderId {
        GatewayOrderId::parse(name).unwrap()
    }

    #[test]
    fn a_payment_key_cannot_lead_to_another_path() {
        for bad in ["", ".", "..", "a/b", "a%2fb", "a?b", "a b", "키", &"a".repeat(201)] {
            assert!(PaymentKey::parse(bad).is_err(), "{bad}");
        }
        assert!(PaymentKey::parse("a".repeat(200)).is_ok());
        assert!(CallKey::parse("a".repeat(301)).is_err());
        assert!(GatewayOrderId::parse("short").is_err());
    }

    proptest! {
        #[test]
        fn a_payment_stands_for_ours_only_if_order_and_amount_agree(
            status in 0usize..8, total in 1i64..1_000, asked in 1i64..1_000, same in any::<bool>(),
        ) {
            let payment = GatewayPayment {
                key: PaymentKey::parse("key").unwrap(),
                order: order("order-1"),
                status: STATUSES[status],
                total: Won(total),
                balance: Won(total),
                method: None,
                approved_at: None,
                last_transaction: None,
                cancels: Vec::new(),
            };
            let asked_for = order(if same { "order-1" } else { "order-2" });
            let standing = payment.standing(&asked_for, Won(asked));
            let differs = matches!(standing, Standing::Differs { .. });
            prop_assert_eq!(differs, !same || total != asked);
        }
    }
}

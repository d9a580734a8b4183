//! One payment as the gateway keeps it, and as it shows it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::written;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Ready,
    InProgress,
    Done,
    Canceled,
    PartialCanceled,
    Aborted,
    Expired,
}

/// A payment; the amounts are whole won.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) key: String,
    pub(crate) order_id: String,
    pub(crate) order_name: String,
    pub(crate) status: Status,
    pub(crate) total: i64,
    pub(crate) balance: i64,
    pub(crate) requested_at: DateTime<Utc>,
    pub(crate) approved_at: Option<DateTime<Utc>>,
    pub(crate) last_transaction: Option<String>,
    /// How often money was captured: more than once would be the gateway's own fault.
    pub(crate) captures: u32,
    pub(crate) cancels: Vec<Cancel>,
    pub(crate) failure: Option<(String, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cancel {
    pub(crate) transaction: String,
    pub(crate) amount: i64,
    pub(crate) refundable: i64,
    pub(crate) reason: String,
    pub(crate) at: DateTime<Utc>,
}

impl Payment {
    /// Money taken and not given back.
    pub(crate) fn captured(&self) -> i64 {
        i64::from(self.captures) * self.total
    }

    pub(crate) fn cancelled(&self) -> i64 {
        self.cancels.iter().map(|cancel| cancel.amount).sum()
    }

    /// The gateway's payment object.
    pub(crate) fn shown(&self) -> Value {
        let cancels: Option<Vec<Value>> =
            (!self.cancels.is_empty()).then(|| self.cancels.iter().map(Cancel::shown).collect());
        let failure = self.failure.as_ref().map(|(code, message)| json!({"code": code, "message": message}));
        json!({
            "mId": "holdfast_simulator",
            "version": "2022-11-16",
            "paymentKey": self.key,
            "type": "NORMAL",
            "orderId": self.order_id,
            "orderName": self.order_name,
            "currency": "KRW",
            "method": "카드",
            "totalAmount": self.total,
            "balanceAmount": self.balance,
            "suppliedAmount": self.balance - self.balance / 11,
            "vat": self.balance / 11,
            "taxFreeAmount": 0,
            "status": self.status,
            "requestedAt": written(self.requested_at),
            "approvedAt": self.approved_at.map(written),
            "lastTransactionKey": self.last_transaction,
            "useEscrow": false,
            "cultureExpense": false,
            "isPartialCancelable": true,
            "cancels": cancels,
            "failure": failure,
            "country": "KR",
        })
    }

    /// The payment as the control call lists it.
    pub(crate) fn booked(&self) -> Value {
        let cancels: Vec<Value> = self.cancels.iter().map(Cancel::shown).collect();
        json!({
            "paymentKey": self.key,
            "orderId": self.order_id,
            "status": self.status,
            "totalAmount": self.total,
            "captures": self.captures,
            "captured": self.captured(),
            "cancelled": self.cancelled(),
            "balance": self.captured() - self.cancelled(),
            "cancels": cancels,
        })
    }
}

impl Cancel {
    fn shown(&self) -> Value {
        json!({
            "transactionKey": self.transaction,
            "cancelReason": self.reason,
            "cancelAmount": self.amount,
            "refundableAmount": self.refundable,
            "taxFreeAmount": 0,
            "easyPayDiscountAmount": 0,
            "canceledAt": written(self.at),
            "cancelStatus": "DONE",
        })
    }
}

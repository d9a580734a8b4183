//! What travels: the parts of Toss Payments' objects that are read. Unknown fields are ignored.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Number;

use crate::domain::gateway::{
    GatewayCancel, GatewayOrderId, GatewayPayment, GatewayStatus, GatewayTransaction, PaymentKey,
    TransactionKind, is_plain,
};
use crate::domain::money::Won;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePayment {
    payment_key: String,
    order_id: String,
    status: String,
    currency: String,
    total_amount: Number,
    balance_amount: Number,
    method: Option<String>,
    approved_at: Option<String>,
    last_transaction_key: Option<String>,
    cancels: Option<Vec<WireCancel>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCancel {
    transaction_key: String,
    cancel_amount: Number,
    #[serde(default)]
    cancel_reason: String,
    canceled_at: Option<String>,
    /// Cancels of foreign payments may take their time; only finished ones count.
    cancel_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTransaction {
    transaction_key: String,
    payment_key: String,
    order_id: String,
    status: String,
    currency: String,
    amount: Number,
    transaction_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireError {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEvent {
    pub(super) event_type: Option<String>,
    /// Some kinds of events name the order outside of `data`.
    pub(super) order_id: Option<String>,
    pub(super) data: Option<WireEventData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEventData {
    pub(super) payment_key: Option<String>,
    pub(super) order_id: Option<String>,
}

/// Whole won; `1000.0` is taken as well, since some amounts are written so.
fn won(number: &Number) -> Option<Won> {
    let whole = number.as_i64().or_else(|| {
        // Doubles are exact far above any amount.
        number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15).map(|value| value as i64)
    })?;
    Won::parse("amount", whole).ok()
}

/// A time, if it can be read: no decision hangs on it.
fn time(text: Option<&String>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text?).ok().map(|time| time.to_utc())
}

fn status(text: &str) -> Option<GatewayStatus> {
    Some(match text {
        "READY" => GatewayStatus::Ready,
        "IN_PROGRESS" => GatewayStatus::InProgress,
        "WAITING_FOR_DEPOSIT" => GatewayStatus::WaitingForDeposit,
        "DONE" => GatewayStatus::Done,
        "PARTIAL_CANCELED" => GatewayStatus::PartlyCancelled,
        "CANCELED" => GatewayStatus::Cancelled,
        "ABORTED" => GatewayStatus::Aborted,
        "EXPIRED" => GatewayStatus::Expired,
        _ => return None,
    })
}

impl WirePayment {
    /// The payment, unless it is one that Holdfast cannot have asked for.
    pub(super) fn read(self) -> Option<GatewayPayment> {
        let (total, balance) = (won(&self.total_amount)?, won(&self.balance_amount)?);
        if self.currency != "KRW" || balance > total {
            return None;
        }
        let cancels = self.cancels.unwrap_or_default();
        let finished =
            |cancel: &WireCancel| cancel.cancel_status.as_deref().is_none_or(|status| status == "DONE");
        Some(GatewayPayment {
            key: PaymentKey::parse(self.payment_key).ok()?,
            order: GatewayOrderId::parse(self.order_id).ok()?,
            status: status(&self.status)?,
            total,
            balance,
            method: self.method,
            approved_at: time(self.approved_at.as_ref()),
            last_transaction: self.last_transaction_key,
            cancels: cancels.into_iter().filter(finished).map(WireCancel::read).collect::<Option<_>>()?,
        })
    }
}

impl WireCancel {
    fn read(self) -> Option<GatewayCancel> {
        Some(GatewayCancel {
            amount: won(&self.cancel_amount)?,
            cancelled_at: time(self.canceled_at.as_ref()),
            transaction: self.transaction_key,
            reason: self.cancel_reason,
        })
    }
}

impl WireTransaction {
    /// Its name, by which the next page is asked for.
    pub(super) fn key(&self) -> &str {
        &self.transaction_key
    }

    /// Whether it is in our currency: a shop may sell abroad by other means.
    pub(super) fn is_in_won(&self) -> bool {
        self.currency == "KRW"
    }

    pub(super) fn read(self) -> Option<GatewayTransaction> {
        let kind = match self.status.as_str() {
            "DONE" => TransactionKind::Capture,
            "CANCELED" | "PARTIAL_CANCELED" => TransactionKind::Cancel,
            _ => TransactionKind::Other,
        };
        // Cancels are listed with their amount, by some means of payment below zero: the kind says which way.
        let amount = match self.amount.as_i64() {
            Some(amount) => Won::parse("amount", amount.checked_abs()?).ok()?,
            None => won(&self.amount)?,
        };
        let at = time(self.transaction_at.as_ref());
        let payment = PaymentKey::parse(self.payment_key).ok()?;
        let transaction = Some(self.transaction_key).filter(|key| is_plain(key))?;
        Some(GatewayTransaction { transaction, payment, order: self.order_id, kind, amount, at })
    }
}

//! The books: payments, what was taken and what was given back. The rules of the gateway are here, without HTTP.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::clock::written;
use crate::error::ApiError;
use crate::payment::{Cancel, Payment, Status};

/// After the buyer has authenticated a payment, it must be confirmed within this time.
const CONFIRM_WINDOW: TimeDelta = TimeDelta::minutes(10);
/// The least a card is charged.
const MINIMUM_AMOUNT: i64 = 100;

/// All payments of a simulator.
#[derive(Debug, Default)]
pub(crate) struct Books {
    payments: HashMap<String, Payment>,
    /// Payments of an order, the newest last.
    by_order: HashMap<String, Vec<String>>,
    /// Keys in the order of their creation, which is the order of their deadlines.
    undecided: VecDeque<(DateTime<Utc>, String)>,
    transactions: Vec<Transaction>,
    places: HashMap<String, usize>,
}

#[derive(Debug, Clone)]
struct Transaction {
    key: String,
    payment_key: String,
    order_id: String,
    status: Status,
    amount: i64,
    at: DateTime<Utc>,
}

/// What a payment is made of.
pub(crate) struct NewPayment {
    pub(crate) key: Option<String>,
    pub(crate) order_id: String,
    pub(crate) order_name: String,
    pub(crate) amount: i64,
    /// Whether the buyer has authenticated it already.
    pub(crate) authenticated: bool,
}

/// A name that is not given twice.
fn fresh(prefix: &str) -> String {
    format!("{prefix}{:032x}", fastrand::u128(..))
}

impl Books {
    /// A buyer asks to pay.
    pub(crate) fn open(&mut self, new: NewPayment, now: DateTime<Utc>) -> Result<Payment, ApiError> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
        if !(6..=64).contains(&new.order_id.len()) || !new.order_id.bytes().all(valid) {
            return Err(ApiError::new(400, "INVALID_ORDER_ID", "orderId takes 6 to 64 of A-Z a-z 0-9 - _ ="));
        }
        if new.amount < 0 {
            return Err(ApiError::new(400, "BELOW_ZERO_AMOUNT", "The amount must not be negative."));
        }
        let key = new.key.unwrap_or_else(|| fresh("tsim_"));
        if self.payments.contains_key(&key) {
            return Err(ApiError::new(400, "DUPLICATED_PAYMENT_KEY", "There is such a payment already."));
        }
        let status = if new.authenticated { Status::InProgress } else { Status::Ready };
        let payment = Payment {
            key: key.clone(),
            order_id: new.order_id.clone(),
            order_name: new.order_name,
            status,
            total: new.amount,
            balance: new.amount,
            requested_at: now,
            approved_at: None,
            last_transaction: None,
            captures: 0,
            cancels: Vec::new(),
            failure: None,
        };
        self.by_order.entry(new.order_id).or_default().push(key.clone());
        self.undecided.push_back((now + CONFIRM_WINDOW, key.clone()));
        self.payments.insert(key, payment.clone());
        Ok(payment)
    }

    pub(crate) fn confirm(
        &mut self,
        key: &str,
        order_id: &str,
        amount: i64,
        now: DateTime<Utc>,
    ) -> Result<Payment, ApiError> {
        let payment = self.confirmable(key)?;
        if payment.order_id != order_id || payment.total != amount {
            return Err(ApiError::new(
                403,
                "FORBIDDEN_REQUEST",
                "The payment is of another order or amount.",
            ));
        }
        if amount < MINIMUM_AMOUNT {
            return Err(ApiError::new(400, "BELOW_MINIMUM_AMOUNT", "Cards are charged 100 won or more."));
        }
        let transaction = fresh("txsim_");
        payment.status = Status::Done;
        payment.approved_at = Some(now);
        payment.last_transaction = Some(transaction.clone());
        payment.captures += 1;
        let payment = payment.clone();
        self.note(transaction, &payment, Status::Done, amount, now);
        Ok(payment)
    }

    /// The card company says no. The payment is over: the buyer begins another one.
    pub(crate) fn decline(&mut self, key: &str, code: &str) -> Result<Payment, ApiError> {
        let payment = self.confirmable(key)?;
        payment.status = Status::Aborted;
        payment.failure = Some((code.to_owned(), "The card was declined.".to_owned()));
        Ok(payment.clone())
    }

    fn confirmable(&mut self, key: &str) -> Result<&mut Payment, ApiError> {
        let payment = self.payments.get_mut(key).ok_or_else(not_found)?;
        match payment.status {
            Status::InProgress => Ok(payment),
            Status::Ready | Status::Aborted | Status::Expired => Err(ApiError::new(
                404,
                "NOT_FOUND_PAYMENT_SESSION",
                "The time to pay is over, or the buyer has not authenticated.",
            )),
            Status::Done | Status::Canceled | Status::PartialCanceled => {
                Err(ApiError::new(400, "ALREADY_PROCESSED_PAYMENT", "This payment was processed before."))
            }
        }
    }

    /// Gives money back: all that is left, or `amount` of it.
    pub(crate) fn cancel(
        &mut self,
        key: &str,
        amount: Option<i64>,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Payment, ApiError> {
        let payment = self.payments.get_mut(key).ok_or_else(not_found)?;
        match payment.status {
            Status::Done | Status::PartialCanceled => {}
            Status::Canceled => {
                return Err(ApiError::new(400, "ALREADY_CANCELED_PAYMENT", "It was cancelled before."));
            }
            _ => return Err(ApiError::new(403, "NOT_CANCELABLE_PAYMENT", "Nothing was paid.")),
        }
        let amount = amount.unwrap_or(payment.balance);
        if amount <= 0 || amount > payment.balance {
            return Err(ApiError::new(403, "NOT_CANCELABLE_AMOUNT", "That amount cannot be cancelled."));
        }
        let transaction = fresh("txsim_");
        payment.balance -= amount;
        payment.status = if payment.balance == 0 { Status::Canceled } else { Status::PartialCanceled };
        payment.last_transaction = Some(transaction.clone());
        payment.cancels.push(Cancel {
            transaction: transaction.clone(),
            amount,
            refundable: payment.balance,
            reason: reason.to_owned(),
            at: now,
        });
        let payment = payment.clone();
        self.note(transaction, &payment, payment.status, amount, now);
        Ok(payment)
    }

    /// A payment by its key.
    pub(crate) fn find(&self, key: &str) -> Result<Payment, ApiError> {
        self.payments.get(key).cloned().ok_or_else(not_found)
    }

    /// The newest payment of an order.
    pub(crate) fn find_by_order(&self, order_id: &str) -> Result<Payment, ApiError> {
        let key = self.by_order.get(order_id).and_then(|keys| keys.last()).ok_or_else(not_found)?;
        self.find(key)
    }

    /// Ends the payments that were not confirmed in time; returns them.
    pub(crate) fn expire(&mut self, now: DateTime<Utc>) -> Vec<Payment> {
        let mut expired = Vec::new();
        while let Some((_, key)) = self.undecided.pop_front_if(|(deadline, _)| *deadline <= now) {
            if let Some(payment) = self.payments.get_mut(&key)
                && matches!(payment.status, Status::Ready | Status::InProgress)
            {
                payment.status = Status::Expired;
                expired.push(payment.clone());
            }
        }
        expired
    }

    fn note(&mut self, key: String, payment: &Payment, status: Status, amount: i64, now: DateTime<Utc>) {
        self.places.insert(key.clone(), self.transactions.len());
        self.transactions.push(Transaction {
            key,
            payment_key: payment.key.clone(),
            order_id: payment.order_id.clone(),
            status,
            amount,
            at: now.trunc_subsecs(0),
        });
    }

    /// A page of what moved between two times, both included.
    pub(crate) fn transactions(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, ApiError> {
        let begin = match after {
            Some(key) => match self.places.get(key) {
                Some(place) => place + 1,
                None => {
                    return Err(ApiError::new(400, "INVALID_TRANSACTION_KEY", "No such transactionKey."));
                }
            },
            None => 0,
        };
        let within = |transaction: &&Transaction| transaction.at >= from && transaction.at <= until;
        Ok(self.transactions[begin..].iter().filter(within).take(limit).map(Transaction::shown).collect())
    }

    /// Everything, for a test to compare with.
    pub(crate) fn shown(&self) -> Value {
        let mut payments: Vec<&Payment> = self.payments.values().collect();
        payments.sort_by(|a, b| (a.requested_at, &a.key).cmp(&(b.requested_at, &b.key)));
        let captured: i64 = payments.iter().map(|payment| payment.captured()).sum();
        let cancelled: i64 = payments.iter().map(|payment| payment.cancelled()).sum();
        json!({
            "payments": payments.iter().map(|payment| payment.booked()).collect::<Vec<_>>(),
            "totals": {
                "payments": payments.len(),
                "captured": captured,
                "cancelled": cancelled,
                "balance": captured - cancelled,
            },
        })
    }
}

impl Transaction {
    fn shown(&self) -> Value {
        json!({
            "mId": "holdfast_simulator",
            "transactionKey": self.key,
            "paymentKey": self.payment_key,
            "orderId": self.order_id,
            "method": "카드",
            "customerKey": null,
            "useEscrow": false,
            "receiptUrl": null,
            "status": self.status,
            "transactionAt": written(self.at),
            "currency": "KRW",
            "amount": self.amount,
        })
    }
}

fn not_found() -> ApiError {
    ApiError::new(404, "NOT_FOUND_PAYMENT", "There is no such payment.")
}

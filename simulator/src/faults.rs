//! What the gateway does wrong on request: a list of rules, the first that fits a call decides.

use serde::{Deserialize, Serialize};

/// A call of the gateway's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    Confirm,
    Find,
    Cancel,
    List,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum CallFault {
    /// Done at once, answered later.
    Late { ms: u64 },
    /// Done later, whether or not the caller still waits, then answered.
    Slow { ms: u64 },
    Hang {
        #[serde(default)]
        done: bool,
    },
    /// The connection is reset with nothing done.
    ResetBefore,
    /// Done, then the connection is reset.
    DoneThenReset,
    /// An error, with or without having done it.
    Error {
        #[serde(default = "internal_error")]
        status: u16,
        #[serde(default = "internal_error_code")]
        code: String,
        #[serde(default)]
        done: bool,
        /// Whether a repetition with the same idempotency key gets the error again.
        #[serde(default)]
        remembered: bool,
    },
    /// Done, but the answer tells another amount.
    WrongAmount { amount: i64 },
    /// Done, but the answer tells another order.
    WrongOrder { another: String },
    /// The card company says no.
    Decline {
        #[serde(default = "declined")]
        code: String,
    },
    /// Any text as the answer, with nothing done.
    Body { status: u16, text: String },
}

fn internal_error() -> u16 {
    500
}

fn internal_error_code() -> String {
    "FAILED_INTERNAL_SYSTEM_PROCESSING".to_owned()
}

fn declined() -> String {
    "REJECT_CARD_PAYMENT".to_owned()
}

/// What goes wrong with a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum WebhookFault {
    /// Sent this often, whatever is answered.
    Duplicate {
        #[serde(default = "twice")]
        times: u32,
    },
    /// Sent after the next one.
    Reordered,
    Delayed {
        ms: u64,
    },
    /// The first sendings are lost on their way, then it is repeated as usual.
    Dropped {
        #[serde(default = "once")]
        times: u32,
    },
    /// Not sent at all.
    Never,
}

fn once() -> u32 {
    1
}

fn twice() -> u32 {
    2
}

/// One fault and the calls or webhooks it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule<K> {
    /// The operation; every one without it. Webhooks have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<Operation>,
    #[serde(default, rename = "paymentKey", alias = "payment_key", skip_serializing_if = "Option::is_none")]
    pub(crate) payment_key: Option<String>,
    #[serde(default, rename = "orderId", alias = "order_id", skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<String>,
    /// How many times it still strikes; always without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u32>,
    /// How likely it strikes, 0 to 1; always without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) probability: Option<f64>,
    #[serde(flatten)]
    pub(crate) fault: K,
}

/// What a rule is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) operation: Option<Operation>,
    pub(crate) payment_key: Option<&'a str>,
    pub(crate) order_id: Option<&'a str>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Faults {
    #[serde(default)]
    pub(crate) calls: Vec<Rule<CallFault>>,
    #[serde(default)]
    pub(crate) webhooks: Vec<Rule<WebhookFault>>,
}

impl Faults {
    /// What goes wrong with this call; a rule with a count is used up by it.
    pub(crate) fn strike_call(&mut self, subject: Subject<'_>) -> Option<CallFault> {
        strike(&mut self.calls, subject)
    }

    /// What goes wrong with this webhook.
    pub(crate) fn strike_webhook(&mut self, subject: Subject<'_>) -> Option<WebhookFault> {
        strike(&mut self.webhooks, subject)
    }
}

fn strike<K: Clone>(rules: &mut [Rule<K>], subject: Subject<'_>) -> Option<K> {
    let rule = rules.iter_mut().find(|rule| rule.fits(subject))?;
    if let Some(count) = &mut rule.count {
        *count -= 1;
    }
    Some(rule.fault.clone())
}

impl<K> Rule<K> {
    fn fits(&self, subject: Subject<'_>) -> bool {
        let same =
            |wanted: &Option<String>, given: Option<&str>| wanted.is_none() || wanted.as_deref() == given;
        (self.on.is_none() || self.on == subject.operation)
            && same(&self.payment_key, subject.payment_key)
            && same(&self.order_id, subject.order_id)
            && self.count != Some(0)
            && self.probability.is_none_or(|probability| fastrand::f64() < probability)
    }
}

//! The port: what Holdfast asks of any payment gateway, and the answers it can get.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use hyper::HeaderMap;

use crate::domain::gateway::{
    CallKey, GatewayCancel, GatewayOrderId, GatewayPayment, GatewayTransaction, PaymentKey,
};
use crate::domain::money::Won;
use crate::peers::client::CallError;
use crate::peers::webhook::WebhookError;

/// A payment gateway. Futures are boxed so that callers hold any gateway as `Arc<dyn Gateway>`.
pub trait Gateway: Send + Sync {
    /// Its name in URLs, tables and metrics.
    fn name(&self) -> &'static str;

    /// How long a call can take, from its start to its answer or its end without one.
    fn longest_call(&self) -> Duration;

    /// Takes the money of a payment the buyer has authenticated.
    fn confirm<'a>(&'a self, ask: &'a Confirm) -> BoxFuture<'a, ConfirmAnswer>;

    /// Asks where a payment stands.
    fn find<'a>(&'a self, key: &'a PaymentKey) -> BoxFuture<'a, FindAnswer>;

    /// Asks for the newest payment of an order: an earlier one of the same order is not seen this way.
    fn find_by_order<'a>(&'a self, order: &'a GatewayOrderId) -> BoxFuture<'a, FindAnswer>;

    fn cancel<'a>(&'a self, ask: &'a Cancel) -> BoxFuture<'a, CancelAnswer>;

    /// Lists what moved, a page at a time.
    fn list<'a>(&'a self, ask: &'a List) -> BoxFuture<'a, ListAnswer>;

    /// Checks a webhook's signature and reads it. It is a hint: what is true is asked by `find`.
    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError>;
}

/// What a webhook says. It is a hint, whether signed or not: ask the gateway what is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// Its id, the same when it is sent again.
    pub id: String,
    /// What it tells, in the gateway's words.
    pub kind: String,
    /// The payment it is about, if it says so.
    pub payment: Option<PaymentKey>,
    /// The order it is about, if it says so.
    pub order: Option<GatewayOrderId>,
    /// Whether its sender knows one of our secrets.
    pub signed: bool,
}

/// What to confirm; a repetition must be equal to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// The payment, as the buyer brought it.
    pub payment: PaymentKey,
    /// What we say it is for.
    pub order: GatewayOrderId,
    /// What we ask for.
    pub amount: Won,
    /// The same for every repetition.
    pub call_key: CallKey,
}

/// What to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    pub payment: PaymentKey,
    /// Part of what is left; all of it without.
    pub amount: Option<Won>,
    /// Why. Up to 200 characters of it reach the gateway and come back by [`GatewayCancel::reason`].
    pub reason: String,
    /// The same for every repetition, another one for each refund.
    pub call_key: CallKey,
}

/// Which transactions to list: those from `from` to `until`, both included, to the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// The last transaction of the page before.
    pub after: Option<String>,
    /// The most on a page, 1 to [`MAX_PAGE`].
    pub limit: u16,
}

/// The most transactions of a page.
pub const MAX_PAGE: u16 = 5_000;

/// What came of a confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfirmAnswer {
    /// The money is ours: the payment, order and amount are those asked for.
    Approved(GatewayPayment),
    /// The gateway said no, definitely.
    Declined {
        code: String,
        /// Its words, for the buyer.
        message: String,
    },
    /// The money may be taken or not: ask by `find`.
    Unknown {
        /// Why it is not known.
        why: Why,
    },
}

/// What came of an inquiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindAnswer {
    /// The payment as it is now; compare it by [`GatewayPayment::standing`].
    Found(GatewayPayment),
    /// The gateway knows no such payment, at this moment.
    NotFound,
    /// It did not say.
    Unknown {
        /// Why it is not known.
        why: Why,
    },
}

/// What came of a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The money went back.
    Cancelled {
        payment: GatewayPayment,
        /// The cancel that was asked for.
        cancel: GatewayCancel,
    },
    /// The gateway said no, definitely.
    Refused { code: String, message: String },
    /// The money may be back or not: ask by `find` and look for the cancel.
    Unknown {
        /// Why it is not known.
        why: Why,
    },
}

/// What came of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListAnswer {
    /// A page, in the gateway's order.
    Page {
        transactions: Vec<GatewayTransaction>,
        /// Where the next page begins, unless this is the last one.
        next: Option<String>,
    },
    /// It did not say.
    Unknown {
        /// Why it is not known.
        why: Why,
    },
}

/// Why an answer is unknown. Its text is safe to store: it holds no secret and nothing a buyer typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The breaker is open.
    #[error("the gateway fails and is left alone for some seconds")]
    Resting,
    /// Too many other calls were on their way for too long.
    #[error("too many calls wait for the gateway")]
    Busy,
    /// There was no connection.
    #[error("the gateway cannot be reached")]
    Unreachable,
    /// It did not answer in time.
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("the connection to the gateway broke before its answer")]
    Broken,
    /// It answered with a code that settles nothing.
    #[error("the gateway answered {status} with the code {code}")]
    Code { status: u16, code: String },
    /// It answered something that is not its API.
    #[error("the gateway answered {status} with something that cannot be read")]
    Unreadable { status: u16 },
    /// It answered about something else than was asked: a person must look.
    #[error("the gateway answered about another {field}")]
    Mismatch { field: &'static str },
}

impl From<CallError> for Why {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable => Self::Unreachable,
            CallError::TimedOut => Self::TimedOut,
            CallError::Broken => Self::Broken,
            CallError::TooLarge { status } => Self::Unreadable { status },
        }
    }
}

impl Why {
    /// Whether the gateway can have seen this call. If not, nothing came of this attempt; of earlier ones it says nothing.
    pub fn can_have_arrived(&self) -> bool {
        !matches!(self, Self::Resting | Self::Busy | Self::Unreachable)
    }

    /// Whether the gateway as a whole seems to be in trouble, and not this one payment.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable | Self::TimedOut | Self::Broken => true,
            Self::Code { status, .. } | Self::Unreadable { status } => *status >= 500,
            Self::Resting | Self::Busy | Self::Mismatch { .. } => false,
        }
    }

    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
            Self::Code { .. } => "unknown_code",
            Self::Unreadable { .. } => "unreadable",
            Self::Mismatch { .. } => "mismatch",
        }
    }
}

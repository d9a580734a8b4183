//! Why a request has no good answer. How callers see it is in `problem`.

use std::time::Duration;

use tracing::error;

use crate::broker::publisher::PublishError;
use crate::domain::Invalid;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::ledger::Purse;
use crate::domain::money::Won;
use crate::domain::refusal::Refusal;
use crate::store;
use crate::store::corrections::CorrectionError;

/// Why a request has no good answer.
#[derive(Debug, Clone)]
pub enum ApiError {
    /// The request makes no sense as HTTP or JSON.
    Malformed(String),
    /// A header that is needed is missing or makes no sense.
    BadHeader(String),
    /// No token, or none that is known.
    Unauthenticated,
    /// A guest asks for what only a customer may have.
    SignInFirst,
    /// What somebody shows to sign in is forged, over or was used before.
    SignInInvalid,
    /// A webhook that its gateway has not signed, or long ago.
    NotSigned,
    /// The token may not do this.
    Forbidden(&'static str),
    /// No such thing, or not the caller's.
    NotFound,
    /// No such thing, in words for those who may see all there is.
    NoSuch(String),
    /// The path knows no such method.
    MethodNotAllowed,
    /// The client took too long to send its request.
    TooSlow,
    /// The body is above the limit.
    TooLarge,
    /// The body is not JSON by its own account.
    NotJson,
    /// The request reads well but breaks a rule.
    Unprocessable(String),
    /// The idempotency key was used before for another request.
    KeyReused,
    /// The order was refused.
    Refused(OrderId, Refusal),
    /// The order's state does not allow it.
    WrongState { order: OrderId, status: &'static str },
    /// The customer may not give it back any more.
    ReturnTooLate { days: u16 },
    /// No money is given back; why.
    RefundRefused(String),
    /// The hold is not extended.
    ExtensionRefused(String),
    /// The hold's time is up.
    Expired(OrderId),
    /// The payment was declined.
    Declined { order: OrderId, reason: String },
    /// The order costs something else than the buyer was told; nothing was taken.
    PriceChanged { order: OrderId, amount: Won },
    /// The charge's card was declined.
    ChargeDeclined { charge: CommandId, reason: String },
    /// There is nothing in the cart to check out.
    CartEmpty,
    /// All that is in the cart is asked for by open checkouts, of which this is an order.
    CheckoutOpen(OrderId),
    /// The cart has as many different SKUs as one may have.
    CartFull,
    /// The purse would hold more than it may.
    PurseFull {
        purse: Purse,
        /// What can be spent of it, in won.
        balance_won: i64,
    },
    /// More units are set aside than would be owned.
    BelowReserved { reserved: i32 },
    /// Its status does not allow it.
    Conflict(String),
    /// It is not as the caller has seen it.
    PreconditionFailed,
    /// It may only be replaced by who says what they have seen of it.
    PreconditionRequired,
    /// The caller has asked too often, or for too much at once; for how long to wait.
    TooMany(Excess, Duration),
    /// The queue is at its limit.
    QueueFull,
    /// The broker does not answer.
    BrokerUnavailable,
    /// No mail can be sent; why.
    MailUnavailable(&'static str),
    /// The database does not answer.
    DatabaseUnavailable,
    /// A defect of ours.
    Internal,
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Tokens, sessions or sign-ins that are nobody's.
    Failures,
    Commands,
    /// Orders that were refused.
    Refusals,
    /// Calls of guests, or carts that they begin.
    Guests,
    /// Links to sign in, to one address or in all.
    Links,
    /// Checkouts of one cart that nobody has decided about.
    Checkouts,
    /// Open streams, of this customer or in all.
    Streams,
    /// Callers who wait, of this customer or in all.
    Waits,
    /// Webhooks like this one, about no payment that is known here.
    Webhooks,
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::Unprocessable(invalid.to_string())
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if store::is_about_the_data(&error) {
            error!(%error, "a statement of the API failed");
            return Self::Internal;
        }
        tracing::warn!(%error, "the database cannot be used");
        Self::DatabaseUnavailable
    }
}

impl From<CorrectionError> for ApiError {
    fn from(error: CorrectionError) -> Self {
        match error {
            CorrectionError::NotFound => Self::NoSuch(error.to_string()),
            CorrectionError::BelowReserved { reserved } => Self::BelowReserved { reserved },
            CorrectionError::KeyReused => Self::KeyReused,
            CorrectionError::Invalid(invalid) => invalid.into(),
            CorrectionError::Database(error) => error.into(),
        }
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Full => Self::QueueFull,
            PublishError::Unroutable | PublishError::Unavailable => Self::BrokerUnavailable,
        }
    }
}

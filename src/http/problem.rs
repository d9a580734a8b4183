//! Errors as callers see them: the only map from what went wrong to a status code. Every error is a problem
//! document (RFC 9457) with a stable `type`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error::{ApiError, Excess};
use crate::domain::ledger::Purse;
use crate::domain::refusal::Refusal;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const PRICE_CHANGED: &str = "It costs something else than expected";
/// When to try again what a server of ours could not do now.
const AGAIN_SOON: HeaderValue = HeaderValue::from_static("2");
/// Nobody is told to wait for longer: by then every limit lets something through.
const LONGEST_WAIT_SECONDS: u128 = 900;

impl ApiError {
    /// The status code, the last part of the `type`, and the title.
    fn problem(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Malformed(_) => (S::BAD_REQUEST, "malformed", "The request is malformed"),
            Self::BadHeader(_) => (S::BAD_REQUEST, "bad-header", "A header is missing or malformed"),
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "No valid token"),
            Self::SignInFirst => (S::UNAUTHORIZED, "sign-in-first", "Guests cannot check out"),
            Self::SignInInvalid => (S::UNAUTHORIZED, "sign-in-invalid", "This does not sign anybody in"),
            Self::NotSigned => (S::UNAUTHORIZED, "not-signed", "The webhook is not the gateway's"),
            Self::Forbidden(_) => (S::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NotFound | Self::NoSuch(_) => (S::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::TooSlow => (S::REQUEST_TIMEOUT, "too-slow", "The request took too long to arrive"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::NotJson => (S::UNSUPPORTED_MEDIA_TYPE, "not-json", "The body is not JSON"),
            Self::Unprocessable(_) => (S::UNPROCESSABLE_ENTITY, "unprocessable", "The request breaks a rule"),
            Self::KeyReused => {
                (S::UNPROCESSABLE_ENTITY, "key-reused", "The idempotency key was used for another request")
            }
            Self::Refused(_, refusal) => {
                let (kind, title) = refused(refusal);
                (S::CONFLICT, kind, title)
            }
            Self::WrongState { .. } => (S::CONFLICT, "wrong-state", "The order's state does not allow it"),
            Self::ReturnTooLate { .. } => (S::CONFLICT, "return-too-late", "It is too late to give it back"),
            Self::RefundRefused(_) => (S::CONFLICT, "refund-refused", "Nothing is given back"),
            Self::ExtensionRefused(_) => (S::CONFLICT, "extension-refused", "The hold is not extended"),
            Self::Expired(_) => (S::GONE, "expired", "The hold's time is up"),
            Self::Declined { .. } | Self::ChargeDeclined { .. } => {
                (S::PAYMENT_REQUIRED, "payment-declined", "The payment was declined")
            }
            Self::PriceChanged { .. } => (S::CONFLICT, "price-changed", PRICE_CHANGED),
            Self::CartEmpty => (S::CONFLICT, "cart-empty", "The cart is empty"),
            Self::CheckoutOpen(_) => {
                (S::CONFLICT, "checkout-open", "An open checkout has asked for what is in the cart")
            }
            Self::CartFull => (S::CONFLICT, "cart-full", "The cart has 50 different SKUs"),
            Self::PurseFull { purse: Purse::Wallet, .. } => {
                (S::CONFLICT, "wallet-full", "A wallet holds at most 100,000 won")
            }
            Self::PurseFull { purse: Purse::Points, .. } => {
                (S::CONFLICT, "points-full", "A customer has at most 10,000,000 points")
            }
            Self::BelowReserved { .. } => (S::CONFLICT, "below-reserved", "More units are on hold"),
            Self::Conflict(_) => (S::CONFLICT, "conflict", "Its status does not allow it"),
            Self::PreconditionFailed => {
                (S::PRECONDITION_FAILED, "precondition-failed", "It is not as you have seen it")
            }
            Self::PreconditionRequired => {
                (S::PRECONDITION_REQUIRED, "precondition-required", "It is only replaced by who has seen it")
            }
            Self::TooMany(excess, _) => {
                let (kind, title, _) = too_many(*excess);
                (S::TOO_MANY_REQUESTS, kind, title)
            }
            Self::QueueFull => (S::SERVICE_UNAVAILABLE, "queue-full", "Too many orders are waiting"),
            Self::BrokerUnavailable => {
                (S::SERVICE_UNAVAILABLE, "broker-unavailable", "The broker does not answer")
            }
            Self::MailUnavailable(_) => (S::SERVICE_UNAVAILABLE, "mail-unavailable", "No mail was sent"),
            Self::DatabaseUnavailable => {
                (S::SERVICE_UNAVAILABLE, "database-unavailable", "The database does not answer")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Something is broken on our side"),
        }
    }

    /// What this caller can do about it.
    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Malformed(detail)
            | Self::BadHeader(detail)
            | Self::Unprocessable(detail)
            | Self::NoSuch(detail)
            | Self::Conflict(detail) => detail.into(),
            Self::Forbidden(detail) | Self::MailUnavailable(detail) => (*detail).into(),
            Self::WrongState { status, .. } => format!("the order is {status}").into(),
            Self::BelowReserved { reserved } => {
                format!("{reserved} units are on hold; on_hand cannot be lower").into()
            }
            Self::Unauthenticated => {
                "send Authorization: Bearer with a token that is known and not revoked".into()
            }
            Self::SignInFirst => {
                "send a customer's token; POST /v1/cart/merge moves the guest's cart into the customer's"
                    .into()
            }
            Self::SignInInvalid => {
                "it is forged, its time is up, or it was used before; ask for a new one".into()
            }
            Self::NotSigned => "its signature is missing, wrong or too old".into(),
            Self::NotFound => "there is nothing here for you".into(),
            Self::MethodNotAllowed => "this path knows other methods".into(),
            Self::TooSlow => "send the whole body within 15 seconds".into(),
            Self::TooLarge => "a body may have 65536 bytes".into(),
            Self::NotJson => "send Content-Type: application/json".into(),
            Self::KeyReused => "take a new key for a new request".into(),
            Self::Refused(..) => "the order was refused and stays refused; a new try takes a new key".into(),
            Self::ReturnTooLate { days } => {
                format!("an order may be given back within {days} days after it was paid; ask the shop")
                    .into()
            }
            Self::RefundRefused(_) => {
                "more is asked for than is left of the order, or the gateway does not give it back".into()
            }
            Self::ExtensionRefused(_) => {
                "a hold is extended at most twice and lasts at most 60 minutes by extension".into()
            }
            Self::Expired(_) => "its units are given back; place a new order".into(),
            Self::PriceChanged { .. } => {
                "nothing was taken, and the hold stays until its time; pay the amount that it says".into()
            }
            Self::Declined { .. } => "nothing was taken, and the hold stays until its time".into(),
            Self::ChargeDeclined { .. } => {
                "nothing was added to the wallet; a new try takes a new charge".into()
            }
            Self::CartEmpty => "put something in; what a checkout was held for has left it".into(),
            Self::CheckoutOpen(_) => {
                "look at the order, or repeat its checkout with its key; what is put in meanwhile can be checked out"
                    .into()
            }
            Self::CartFull => "check out what is in it, or take something out".into(),
            Self::PurseFull { .. } => "nothing was added".into(),
            Self::PreconditionFailed => "nothing was done; read it again and decide anew".into(),
            Self::PreconditionRequired => {
                "send If-Match with the ETag of what you have read, or name single fields by PATCH".into()
            }
            Self::TooMany(excess, _) => too_many(*excess).2.into(),
            Self::QueueFull => "the order was not accepted; try again with the same key".into(),
            Self::BrokerUnavailable | Self::DatabaseUnavailable => "try again with the same key".into(),
            Self::Internal => "it has been logged".into(),
        }
    }

    /// What a program needs to go on: an object, empty for most.
    fn extensions(&self) -> Value {
        match self {
            Self::Refused(order, refusal) => {
                let mut extensions = serde_json::to_value(refusal).expect("a refusal has string keys");
                extensions["order_id"] = json!(order);
                extensions
            }
            Self::WrongState { order, status } => json!({"order_id": order, "order_status": status}),
            Self::RefundRefused(reason) | Self::ExtensionRefused(reason) => json!({"reason": reason}),
            Self::Expired(order) | Self::CheckoutOpen(order) => json!({"order_id": order}),
            Self::Declined { order, reason } => json!({"order_id": order, "reason": reason}),
            Self::PriceChanged { order, amount } => json!({"order_id": order, "amount_won": amount.0}),
            Self::ChargeDeclined { charge, reason } => json!({"charge_id": charge, "reason": reason}),
            Self::PurseFull { balance_won, .. } => json!({"balance_won": balance_won}),
            Self::BelowReserved { reserved } => json!({"reserved": reserved}),
            _ => json!({}),
        }
    }

    /// The status, title and detail, for pages.
    pub fn summary(&self) -> (StatusCode, &'static str, Cow<'_, str>) {
        let (status, _, title) = self.problem();
        (status, title, self.detail())
    }
}

impl fmt::Display for ApiError {
    /// In words, for people: the problem's title and what to do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, title, detail) = self.summary();
        write!(f, "{title}: {detail}")
    }
}

fn refused(refusal: &Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::OutOfStock { .. } => ("out-of-stock", "Too few units are available"),
        Refusal::UnknownSku { .. } => ("unknown-sku", "The catalogue knows no such SKU"),
        Refusal::TooManyHolds { .. } => ("too-many-holds", "The customer has too many live holds"),
        Refusal::TooManyUnits { .. } => {
            ("too-many-units", "The customer would have too many units of one SKU")
        }
        Refusal::WaitEnded => ("wait-ended", "Its turn did not come in time"),
        Refusal::OffSale { .. } => ("off-sale", "It is not sold now"),
        Refusal::PriceChanged { .. } => ("price-changed", PRICE_CHANGED),
        Refusal::AmountTooLarge => ("amount-too-large", "The order costs more than an order may"),
    }
}

/// The last part of the `type`, the title, and what to do.
fn too_many(excess: Excess) -> (&'static str, &'static str, &'static str) {
    let again = "nothing was done; try again with the same key after Retry-After";
    match excess {
        Excess::Failures => (
            "too-many-failures",
            "Too much from this address was unknown here",
            "nothing was looked up; try again after Retry-After",
        ),
        Excess::Commands => ("too-many-commands", "Too many commands at once", again),
        Excess::Refusals => ("too-many-refusals", "Too many orders of this customer were refused", again),
        Excess::Guests => (
            "too-many-guests",
            "Guests call too often, or begin too many carts",
            "nothing was done; try again after Retry-After, or sign in",
        ),
        Excess::Links => (
            "too-many-sign-ins",
            "Too many links to sign in were asked for",
            "no mail was sent; use a link that was mailed before, or try again after Retry-After",
        ),
        Excess::Checkouts => (
            "too-many-checkouts",
            "Too many checkouts of this cart are not decided yet",
            "nothing was done; repeat one of them with its key, or wait until they are decided",
        ),
        Excess::Streams => (
            "too-many-streams",
            "Too many streams are open",
            "end another stream, or read the order itself now and then",
        ),
        Excess::Waits => (
            "too-many-waits",
            "Too many callers wait",
            "nothing was done; try again with the same key, later or without Prefer: wait",
        ),
        Excess::Webhooks => (
            "too-many-webhooks",
            "Too many webhooks name no payment that is known here",
            "send it again in a minute; it is taken at once if it names a payment or a charge by its key",
        ),
    }
}

/// When to try again: whole seconds, of which there is always one.
fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_millis().div_ceil(1_000).clamp(1, LONGEST_WAIT_SECONDS) as u64)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let wait = match &self {
            Self::TooMany(_, wait) => retry_after(*wait),
            _ => AGAIN_SOON,
        };
        let (status, kind, title) = self.problem();
        let mut document = self.extensions();
        document["type"] = json!(format!("urn:holdfast:problem:{kind}"));
        document["title"] = json!(title);
        document["status"] = json!(status.as_u16());
        document["detail"] = json!(self.detail());

        let mut response =
            (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], document.to_string()).into_response();
        // For whoever shows it in another form than JSON.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, wait);
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
                // The rest of the body is not read, so the connection cannot be used further.
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

/// Errors that the framework answers by itself, as problem documents like all others.
pub async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // The framework's own are text; a problem document, or `/readyz` telling what is missing, is
    // JSON; pages of the console are HTML.
    let is_ours =
        content_type.is_some_and(|value| value.starts_with("application/") || value.starts_with("text/html"));
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = match status {
        StatusCode::NOT_FOUND => ApiError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::NotJson,
        StatusCode::UNPROCESSABLE_ENTITY => ApiError::Unprocessable("the request breaks a rule".to_owned()),
        status if status.is_client_error() => ApiError::Malformed("the request makes no sense".to_owned()),
        _ => ApiError::Internal,
    };
    let mut problem = error.into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

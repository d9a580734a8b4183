//! Errors as callers see them: the only map from what went wrong to a status code. Every error is a problem
//! document (RFC 9457) with a stable `type`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tracing::error;

use crate::broker::publisher::PublishError;
use crate::domain::Invalid;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::ledger::Purse;
use crate::domain::refusal::Refusal;
use crate::ops::workers::PauseError;
use crate::store;

/// Why a request has no good answer.
#[derive(Debug, Clone)]
pub enum ApiError {
    /// The request makes no sense as HTTP or JSON.
    Malformed(String),
    /// A header that is needed is missing or makes no sense.
    BadHeader(String),
    /// No token, or none that is known.
    Unauthenticated,
    /// A webhook that its gateway has not signed, or long ago.
    NotSigned,
    /// The token may not do this.
    Forbidden(&'static str),
    /// No such thing, or not the caller's.
    NotFound,
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
    WrongState {
        /// Which order.
        order: OrderId,
        /// Where it stands.
        status: &'static str,
    },
    /// No money is given back; why.
    RefundRefused(String),
    /// The hold is not extended.
    ExtensionRefused(String),
    /// The hold's time is up.
    Expired(OrderId),
    /// The payment was declined.
    Declined {
        /// Which order.
        order: OrderId,
        /// Why.
        reason: String,
    },
    /// The charge's card was declined.
    ChargeDeclined {
        /// Which charge.
        charge: CommandId,
        /// Why.
        reason: String,
    },
    /// The purse would hold more than it may.
    PurseFull {
        /// Which.
        purse: Purse,
        /// What can be spent of it, in won.
        balance_won: i64,
    },
    /// More units are set aside than would be owned.
    BelowReserved {
        /// Units set aside.
        reserved: i32,
    },
    /// Its status does not allow it.
    Conflict(String),
    /// The queue is at its limit.
    QueueFull,
    /// The broker does not answer.
    BrokerUnavailable,
    /// The database does not answer.
    DatabaseUnavailable,
    /// A defect of ours.
    Internal,
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

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Full => Self::QueueFull,
            PublishError::Unroutable | PublishError::Unavailable => Self::BrokerUnavailable,
        }
    }
}

impl From<PauseError> for ApiError {
    fn from(error: PauseError) -> Self {
        match error {
            PauseError::UnknownPool(_) => Self::NotFound,
            PauseError::Reason => Self::Unprocessable(error.to_string()),
            PauseError::Database(error) => error.into(),
        }
    }
}

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

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

/// A problem document before it is written.
struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    extensions: Value,
}

impl std::fmt::Display for ApiError {
    /// In words, for people: the problem's title and what to do about it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Problem { title, detail, .. } = self.clone().problem();
        write!(f, "{title}: {detail}")
    }
}

impl ApiError {
    /// The status, title and detail, for pages.
    pub fn summary(self) -> (StatusCode, &'static str, String) {
        let Problem { status, title, detail, .. } = self.problem();
        (status, title, detail)
    }

    fn problem(self) -> Problem {
        let bare = |status, kind, title, detail: &str| Problem {
            status,
            kind,
            title,
            detail: detail.to_owned(),
            extensions: Value::Null,
        };
        match self {
            Self::Malformed(detail) => {
                bare(StatusCode::BAD_REQUEST, "malformed", "The request is malformed", &detail)
            }
            Self::BadHeader(detail) => {
                bare(StatusCode::BAD_REQUEST, "bad-header", "A header is missing or malformed", &detail)
            }
            Self::Unauthenticated => bare(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "No valid token",
                "send Authorization: Bearer with a token that is known and not revoked",
            ),
            Self::NotSigned => bare(
                StatusCode::UNAUTHORIZED,
                "not-signed",
                "The webhook is not the gateway's",
                "its signature is missing, wrong or too old",
            ),
            Self::Forbidden(detail) => bare(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail),
            Self::NotFound => {
                bare(StatusCode::NOT_FOUND, "not-found", "Not found", "there is nothing here for you")
            }
            Self::MethodNotAllowed => bare(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                "this path knows other methods",
            ),
            Self::TooSlow => bare(
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                "The request took too long to arrive",
                "send the whole body within 15 seconds",
            ),
            Self::TooLarge => bare(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The body is too large",
                "a body may have 65536 bytes",
            ),
            Self::NotJson => bare(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body is not JSON",
                "send Content-Type: application/json",
            ),
            Self::Unprocessable(detail) => {
                bare(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "The request breaks a rule", &detail)
            }
            Self::Conflict(detail) => {
                bare(StatusCode::CONFLICT, "conflict", "Its status does not allow it", &detail)
            }
            Self::KeyReused => bare(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "The idempotency key was used for another request",
                "take a new key for a new request",
            ),
            Self::QueueFull => bare(
                StatusCode::SERVICE_UNAVAILABLE,
                "queue-full",
                "Too many orders are waiting",
                "the order was not accepted; try again with the same key",
            ),
            Self::BrokerUnavailable => bare(
                StatusCode::SERVICE_UNAVAILABLE,
                "broker-unavailable",
                "The broker does not answer",
                "try again with the same key",
            ),
            Self::DatabaseUnavailable => bare(
                StatusCode::SERVICE_UNAVAILABLE,
                "database-unavailable",
                "The database does not answer",
                "try again with the same key",
            ),
            Self::Internal => bare(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something is broken on our side",
                "it has been logged",
            ),
            answer => answer.business_problem(),
        }
    }

    /// The noes of the business, which carry what a caller needs to go on.
    fn business_problem(self) -> Problem {
        let with = |status, kind, title, detail: String, extensions| Problem {
            status,
            kind,
            title,
            detail,
            extensions,
        };
        match self {
            Self::Refused(order, refusal) => refused(order, &refusal),
            Self::WrongState { order, status } => with(
                StatusCode::CONFLICT,
                "wrong-state",
                "The order's state does not allow it",
                format!("the order is {status}"),
                json!({"order_id": order, "order_status": status}),
            ),
            Self::RefundRefused(reason) => with(
                StatusCode::CONFLICT,
                "refund-refused",
                "Nothing is given back",
                "more is asked for than is left of the order, or the gateway does not give it back"
                    .to_owned(),
                json!({"reason": reason}),
            ),
            Self::ExtensionRefused(reason) => with(
                StatusCode::CONFLICT,
                "extension-refused",
                "The hold is not extended",
                "a hold is extended at most twice and lasts at most 60 minutes by extension".to_owned(),
                json!({"reason": reason}),
            ),
            Self::Expired(order) => with(
                StatusCode::GONE,
                "expired",
                "The hold's time is up",
                "its units are given back; place a new order".to_owned(),
                json!({"order_id": order}),
            ),
            Self::Declined { order, reason } => with(
                StatusCode::PAYMENT_REQUIRED,
                "payment-declined",
                "The payment was declined",
                "nothing was taken, and the hold stays until its time".to_owned(),
                json!({"order_id": order, "reason": reason}),
            ),
            Self::ChargeDeclined { charge, reason } => with(
                StatusCode::PAYMENT_REQUIRED,
                "payment-declined",
                "The payment was declined",
                "nothing was added to the wallet; a new try takes a new charge".to_owned(),
                json!({"charge_id": charge, "reason": reason}),
            ),
            Self::PurseFull { purse, balance_won } => with(
                StatusCode::CONFLICT,
                match purse {
                    Purse::Wallet => "wallet-full",
                    Purse::Points => "points-full",
                },
                match purse {
                    Purse::Wallet => "A wallet holds at most 100,000 won",
                    Purse::Points => "A customer has at most 10,000,000 points",
                },
                "nothing was added".to_owned(),
                json!({"balance_won": balance_won}),
            ),
            Self::BelowReserved { reserved } => with(
                StatusCode::CONFLICT,
                "below-reserved",
                "More units are on hold",
                format!("{reserved} units are on hold; on_hand cannot be lower"),
                json!({"reserved": reserved}),
            ),
            other => unreachable!("{other:?} is no business answer"),
        }
    }
}

fn refused(order: OrderId, refusal: &Refusal) -> Problem {
    let (kind, title) = match refusal {
        Refusal::OutOfStock { .. } => ("out-of-stock", "Too few units are available"),
        Refusal::UnknownSku { .. } => ("unknown-sku", "The catalogue knows no such SKU"),
        Refusal::TooManyHolds { .. } => ("too-many-holds", "The customer has too many live holds"),
        Refusal::TooManyUnits { .. } => {
            ("too-many-units", "The customer would have too many units of one SKU")
        }
        Refusal::AmountTooLarge => ("amount-too-large", "The order costs more than an order may"),
    };
    let mut extensions = serde_json::to_value(refusal).expect("a refusal has string keys");
    extensions["order_id"] = json!(order);
    Problem {
        status: StatusCode::CONFLICT,
        kind,
        title,
        detail: "the order was refused and stays refused; a new try takes a new key".to_owned(),
        extensions,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.clone();
        let problem = self.problem();
        let mut document = Map::new();
        if let Value::Object(extensions) = problem.extensions {
            document.extend(extensions);
        }
        document.insert("type".into(), json!(format!("urn:holdfast:problem:{}", problem.kind)));
        document.insert("title".into(), json!(problem.title));
        document.insert("status".into(), json!(problem.status.as_u16()));
        document.insert("detail".into(), json!(problem.detail));

        let body = Value::Object(document).to_string();
        let mut response = (problem.status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        // For whoever shows it in another form than JSON.
        response.extensions_mut().insert(error);
        let headers = response.headers_mut();
        match problem.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
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

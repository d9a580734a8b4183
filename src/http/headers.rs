//! Request headers with a meaning of their own.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::ApiError;
use super::places_to_stay::Stays;
use super::visit::{Stay, Visit};
use crate::domain::ids::IdempotencyKey;
use crate::domain::reason::Reason;
use crate::telemetry::trace_parent::TraceParent;

/// Says why an operator does something, where the body is about the thing alone.
pub const REASON_HEADER: &str = "Holdfast-Reason";

/// The longest a request waits for an outcome, in seconds.
pub const MAX_WAIT_SECONDS: u64 = 30;

/// A request's `Idempotency-Key`, required.
pub struct RequiredKey(pub IdempotencyKey);

/// A request's `Idempotency-Key`, if it has one.
pub struct OptionalKey(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for OptionalKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("Idempotency-Key") else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        // The IETF draft writes the key as a quoted string, most clients write it plain.
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = IdempotencyKey::parse(quoted.unwrap_or(text));
        key.map(|key| Self(Some(key))).map_err(|invalid| ApiError::BadHeader(invalid.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequiredKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match OptionalKey::from_request_parts(parts, state).await? {
            OptionalKey(Some(key)) => Ok(Self(key)),
            OptionalKey(None) => Err(ApiError::BadHeader("Idempotency-Key is required".to_owned())),
        }
    }
}

/// A request's `Holdfast-Reason`, if it has one: words in UTF-8.
pub struct ForTheLog(pub Option<Reason>);

impl<S: Send + Sync> FromRequestParts<S> for ForTheLog {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(REASON_HEADER) else { return Ok(Self(None)) };
        let bad = |why: &dyn Display| ApiError::BadHeader(format!("{REASON_HEADER}: {why}"));
        let text = std::str::from_utf8(value.as_bytes()).map_err(|error| bad(&error))?;
        Reason::optional(Some(text.to_owned())).map(Self).map_err(|invalid| bad(&invalid))
    }
}

/// How long the caller would wait for the outcome: `Prefer: wait=N` (RFC 7240). A preference that cannot be read is
/// ignored, as that standard asks.
#[derive(Debug, Clone)]
pub struct Wait {
    patience: Option<Duration>,
    visit: Visit,
}

impl Wait {
    /// For how long the caller asks to wait, if they ask for any wait.
    pub fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// Begins the wait that the caller asks for, if they ask for any and there is a place.
    pub fn begin(self, stays: &Stays) -> Result<Option<Stay>, ApiError> {
        self.patience.map(|patience| Stay::begin(stays, self.visit, patience)).transpose()
    }

    /// The same, where whoever does not ask waits a little, if there is a place.
    pub fn begin_or_for(self, a_little: Duration, stays: &Stays) -> Result<Option<Stay>, ApiError> {
        match self.patience {
            Some(_) => self.begin(stays),
            None => Ok(Stay::begin(stays, self.visit, a_little).ok()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wait {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let preferences = parts.headers.get_all("Prefer").iter().filter_map(|value| value.to_str().ok());
        let seconds = preferences
            .flat_map(|value| value.split([',', ';']))
            .filter_map(|preference| preference.trim().split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
            .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse::<u64>().ok());
        let seconds = seconds.filter(|seconds| *seconds > 0);
        let patience = seconds.map(|seconds| Duration::from_secs(seconds.min(MAX_WAIT_SECONDS)));
        Ok(Self { patience, visit })
    }
}

/// The request's W3C trace context as what follows from it carries it on: the caller's, or one that begins here.
pub struct Trace(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Trace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<TraceParent>().map(ToString::to_string)))
    }
}

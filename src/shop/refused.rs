//! Why a page cannot show or do what was asked: what the API answered, or what a form did not say.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::error;

/// A refusal by the API, or by a page itself.
#[derive(Debug, Clone)]
pub struct Refused {
    pub status: StatusCode,
    /// The last part of the problem's `type`.
    pub kind: String,
    /// The members of the problem.
    pub problem: Value,
    pub retry_after: Option<String>,
}

impl Refused {
    fn new(status: StatusCode, kind: &str) -> Self {
        Self { status, kind: kind.to_owned(), problem: Value::Null, retry_after: None }
    }

    /// What the API answered.
    pub(super) fn by_api(status: StatusCode, headers: &HeaderMap, problem: Value) -> Self {
        let kind = problem["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or("unknown");
        let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self { status, kind: kind.to_owned(), retry_after: retry_after.map(str::to_owned), problem }
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found")
    }

    /// What the framework answers by itself.
    pub(super) fn of_status(status: StatusCode) -> Self {
        Self::new(status, if status == StatusCode::NOT_FOUND { "not-found" } else { "bad-form" })
    }

    /// A form of another site, which is not to use the buyer's session (cross-site request forgery).
    pub(super) fn foreign_page() -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign-page")
    }

    /// A page for those who are signed in.
    pub(super) fn sign_in_first() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign-in-first")
    }

    /// More than a wallet holds.
    pub fn wallet_full() -> Self {
        Self::new(StatusCode::CONFLICT, "wallet-full")
    }

    /// A form that no page of ours sends.
    pub fn bad_form() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-form")
    }

    pub(super) fn unreadable(error: &dyn std::fmt::Display) -> Self {
        error!(%error, "an answer of the API could not be read");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
    }

    /// A member of the problem, if it is there and what it is known to be.
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.problem.get(name)?.clone()).ok()
    }

    /// Whether the API does not know who asks.
    pub fn is_about_who_asks(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }
}

impl IntoResponse for Refused {
    /// Without a body: [`super::frame::finish`] draws the page, in the reader's language.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

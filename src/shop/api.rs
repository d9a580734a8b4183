//! Calls of the API, in this process.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use super::refused::Refused;
use crate::serving::Peer;
use crate::telemetry::trace_parent::TraceParent;

/// More than the longest page of a list has.
const MOST_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How long a buyer waits for an outcome before a page tells them that it is still open.
const PATIENCE: &str = "wait=10";

/// The API as this process serves it.
#[derive(Clone)]
pub struct Api(Router);

/// What the API has to know of the request that a call is a part of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    /// Whence the browser calls.
    pub peer: Option<Peer>,
    /// The trace of the page.
    pub trace: Option<TraceParent>,
}

/// One call.
#[derive(Debug)]
pub struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    key: Option<String>,
}

/// What a call answered that went well.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, key: None }
    }

    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }

    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(path) }
    }

    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// The same, of which repeats are one.
    pub fn once(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

impl Answer {
    /// The body as what it is known to be.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, Refused> {
        serde_json::from_value(self.body).map_err(|error| Refused::unreadable(&error))
    }
}

impl Api {
    pub fn new(router: Router) -> Self {
        Self(router)
    }

    /// Makes a call with these headers, from where the buyer's browser is.
    pub async fn ask(&self, call: Call, headers: HeaderMap, origin: Origin) -> Result<Answer, Refused> {
        let body = call.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = Request::builder().method(call.method).uri(call.path);
        *request.headers_mut().ok_or_else(Refused::bad_form)? = headers;
        request = request.header(header::CONTENT_TYPE, "application/json").header("Prefer", PATIENCE);
        if let Some(key) = call.key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(peer) = origin.peer {
            request = request.extension(peer);
        }
        if let Some(trace) = origin.trace {
            request = request.extension(trace);
        }
        // What a form said cannot stand in a header or an address.
        let request = request.body(body).map_err(|_| Refused::bad_form())?;
        let Ok(response) = self.0.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, MOST_ANSWER_BYTES).await.map_err(|error| Refused::unreadable(&error))?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if parts.status.is_success() {
            return Ok(Answer { status: parts.status, body });
        }
        Err(Refused::by_api(parts.status, &parts.headers, body))
    }
}

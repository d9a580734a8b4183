//! Bodies, read with every limit a stranger's bytes need.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use serde::de::DeserializeOwned;
use tokio::time::{Sleep, sleep};

use super::error::ApiError;
use crate::message::MAX_BODY_BYTES;

/// Deeper nesting than this is nothing we ask for.
const MAX_DEPTH: usize = 16;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// A body that was JSON and fits `T`: 415 for another content type, 413 above the limit, 400 for what is not JSON,
/// 422 for JSON that breaks a rule.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            return Err(ApiError::NotJson);
        }
        let Raw(bytes) = Raw::from_request(request, state).await?;
        if depth(&bytes) > MAX_DEPTH {
            return Err(ApiError::Malformed(format!("the JSON is nested more than {MAX_DEPTH} deep")));
        }
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            if error.is_data() {
                ApiError::Unprocessable(error.to_string())
            } else {
                ApiError::Malformed(format!("the body is not JSON: {error}"))
            }
        })?;
        // serde also fills a struct from an array, which nobody means.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::Unprocessable("the body must be an object".to_owned()));
        }
        Ok(Json(value))
    }
}

/// A body as it came, not too large.
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // A body announced as too large is not waited for.
        if request.body().size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(ApiError::TooLarge);
        }
        Bytes::from_request(request, state).await.map(Raw).map_err(unread)
    }
}

/// Gives every body the same time, whoever reads it and as what. One that has not come by then is answered with 408.
pub async fn in_time(request: Request, next: Next) -> Response {
    let is_late = Arc::new(AtomicBool::new(false));
    let limit = Box::pin(sleep(BODY_TIMEOUT));
    let timed = |body: Body| Body::new(Timed { body, limit, is_late: is_late.clone() });
    let response = next.run(request.map(timed)).await;
    if is_late.load(Ordering::Relaxed) { ApiError::TooSlow.into_response() } else { response }
}

/// A body that ends with an error when its time is over.
struct Timed {
    body: Body,
    limit: Pin<Box<Sleep>>,
    is_late: Arc<AtomicBool>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_pending() && self.limit.as_mut().poll(context).is_ready() {
            self.is_late.store(true, Ordering::Relaxed);
            let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn unread(rejection: BytesRejection) -> ApiError {
    match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        _ => ApiError::Malformed("the body ended early".to_owned()),
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The deepest nesting of brackets outside of strings.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(depth(br#"{"a":["[[[[\"[[",1]}"#), 2);
        assert_eq!(depth(&[b'['; 40]), 40);
    }

    #[test]
    fn json_is_told_by_its_content_type() {
        assert!(is_json("application/json; charset=utf-8"));
        assert!(is_json("application/merge-patch+json"));
        assert!(!is_json("text/plain"));
    }
}

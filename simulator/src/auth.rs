//! Basic authentication with the secret key as the user and no password.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;

/// Whether the caller knows the secret key.
pub(crate) fn check(headers: &HeaderMap, secret_key: &str) -> Result<(), ApiError> {
    let wrong = || ApiError::new(401, "UNAUTHORIZED_KEY", "This secret key is not known.");
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(wrong)?;
    let encoded = header.strip_prefix("Basic ").ok_or_else(wrong)?;
    let decoded = STANDARD.decode(encoded).map_err(|_| wrong())?;
    let user = decoded.strip_suffix(b":").ok_or_else(|| {
        ApiError::new(
            403,
            "INCORRECT_BASIC_AUTH_FORMAT",
            "The key must end with a colon before it is encoded.",
        )
    })?;
    if user == secret_key.as_bytes() { Ok(()) } else { Err(wrong()) }
}

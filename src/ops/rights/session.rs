//! Sessions of the console: the cookie, and whose it is.

use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::store::operators::tokens::Token;
use crate::store::operators::{sessions, tokens};

/// The live token of the session that a request's cookie names.
pub async fn find(app: &App, headers: &HeaderMap) -> Result<Option<Token>, ApiError> {
    let jar = CookieJar::from_headers(headers);
    let Some(secret) = jar.get(cookie_name(app)) else { return Ok(None) };
    let hash = tokens::hash(secret.value());
    app.read(async |conn| sessions::find(conn, &hash).await).await
}

/// Behind TLS the name itself makes browsers insist on `Secure` and on this very host (RFC 6265bis, section 4.1.3.2).
pub(in crate::ops) fn cookie_name(app: &App) -> &'static str {
    if app.behind_tls { "__Host-holdfast" } else { "holdfast" }
}

pub(in crate::ops) fn cookie(app: &App, secret: String) -> Cookie<'static> {
    Cookie::build((cookie_name(app), secret))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(app.behind_tls)
        .build()
}

//! Sessions of the console: their cookie.

use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use tokio::time::Instant;

use crate::http::address::CallerAddress;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::rates::Shown;
use crate::store::operators::tokens::Token;
use crate::store::operators::{sessions, tokens};

/// The live token of the session that is known by this, and when it was asked for.
pub async fn find(
    app: &App,
    by: Shown,
    CallerAddress(from): CallerAddress,
    hash: [u8; 32],
) -> Result<Option<(Token, Instant)>, ApiError> {
    let find = async {
        let asked = Instant::now();
        let found = app.read(async |conn| sessions::find(conn, &hash).await).await?;
        Ok(found.map(|token| (token, asked)))
    };
    app.rates.strangers().look_up(&app.turns, by, from, &hash, find).await
}

/// By what the session is known that a request's cookie names.
pub fn secret_hash(app: &App, headers: &HeaderMap) -> Option<[u8; 32]> {
    let jar = CookieJar::from_headers(headers);
    jar.get(cookie_name(app)).map(|secret| tokens::hash(secret.value()))
}

/// Behind TLS the name itself makes browsers insist on `Secure` and on this very host (RFC 6265bis, section 4.1.3.2).
fn cookie_name(app: &App) -> &'static str {
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

//! The frame of the console: what all its pages share. A page is a template that extends `frame.html` and has a field
//! `frame: Frame`; its handler takes the [`Frame`] as an argument and answers with [`page`]. What changes something is a
//! form by POST whose handler takes an `Operator` and answers with [`told`]: everything works without scripts.

pub mod assets;
pub mod filters;
pub mod problems;
pub mod sign_in;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde::Deserialize;
use tracing::error;

use super::rights::{Actor, Viewer};
use crate::domain::Invalid;
use crate::domain::reason::Reason;
use crate::http::error::ApiError;

/// The version of the program, for the foot of each page.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Carries one sentence from an action to the page that comes after it.
pub const TOLD: &str = "holdfast_told";
/// Browsers keep a cookie of 4,096 bytes; a character may have four, and more when encoded.
const MAX_TOLD_CHARS: usize = 500;

/// What every page shows around its own: who is signed in, where they are, and what their last action came to.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Who is signed in.
    pub actor: Actor,
    /// What the last action came to.
    pub told: Option<String>,
    path: String,
}

impl Frame {
    /// `page` for the link to the part of the console that this page belongs to, as `aria-current` wants it.
    pub fn current(&self, part: &str) -> &'static str {
        let is_home = part == "/ops" && self.path != "/ops";
        let is_here =
            self.path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_here && !is_home { "page" } else { "false" }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Frame {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Viewer(actor) = Viewer::from_request_parts(parts, state).await?;
        let told = read_told(&CookieJar::from_headers(&parts.headers));
        Ok(Self { actor, told, path: parts.uri.path().to_owned() })
    }
}

/// What a form sends that asks for nothing but a reason.
#[derive(Debug, Deserialize)]
pub struct ReasonForm {
    reason: String,
}

impl ReasonForm {
    /// The reason, which must be there.
    pub fn given(self) -> Result<Reason, Invalid> {
        Reason::parse(self.reason)
    }

    /// The reason, if there is one.
    pub fn if_any(self) -> Result<Option<Reason>, Invalid> {
        Reason::optional(Some(self.reason))
    }
}

/// Answers with a page.
pub fn page(template: &impl askama::Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            error!(%error, "a page could not be drawn");
            ApiError::Internal.into_response()
        }
    }
}

/// Sends the browser to a page of the console, which shows what the action came to.
pub fn told(to: &str, what: &str) -> Response {
    let what: String = what.chars().take(MAX_TOLD_CHARS).collect();
    let cookie = Cookie::build((TOLD, URL_SAFE_NO_PAD.encode(what)))
        .path("/ops")
        .http_only(true)
        .same_site(SameSite::Strict);
    (CookieJar::new().add(cookie), Redirect::to(to)).into_response()
}

fn read_told(jar: &CookieJar) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(jar.get(TOLD)?.value()).ok()?;
    String::from_utf8(bytes).ok()
}

/// The last word on every answer of the console: errors become pages, a stranger is asked to sign in, and no browser may
/// run, frame or keep what it should not.
pub async fn finish(request: Request, next: Next) -> Response {
    let seen = Seen::new(&request);
    let mut response = problems::as_page(&seen, next.run(request).await);
    if seen.told && response.status() == StatusCode::OK {
        let forget = Cookie::build((TOLD, "")).path("/ops").removal().build();
        if let Ok(value) = HeaderValue::from_str(&forget.to_string()) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    let headers = response.headers_mut();
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What of a request decides how its answer is finished.
pub struct Seen {
    path_and_query: String,
    is_get: bool,
    by_htmx: bool,
    from_elsewhere: bool,
    told: bool,
}

impl Seen {
    fn new(request: &Request) -> Self {
        let headers = request.headers();
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        Self {
            path_and_query: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            is_get: request.method() == Method::GET,
            by_htmx: headers.contains_key("HX-Request"),
            from_elsewhere: is("sec-fetch-site", "cross-site") && is("sec-fetch-mode", "navigate"),
            told: CookieJar::from_headers(headers).get(TOLD).is_some(),
        }
    }
}

/// Headers of every page. No script and no style but our own files, and none inside a page, so that a text of a stranger
/// that slipped through would still do nothing.
const PROTECTION: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

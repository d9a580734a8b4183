//! What all pages share: a page is a template that extends `shop/frame.html` and has a field `frame: Frame`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::Cookie;
use chrono::{DateTime, Utc};
use tracing::error;

use super::Shop;
use super::addresses::sign_in_leading_to;
use super::cookies::Kept;
use super::refused::Refused;
use super::words::Words;
use crate::clock;

/// What every page shows around its own.
pub struct Frame {
    pub words: Words,
    pub shop: String,
    pub is_signed_in: bool,
    /// Units in the cart, where that is known.
    pub in_cart: Option<i64>,
    /// What the last form came to.
    pub told: Option<String>,
    /// The page's path and query.
    pub place: String,
    /// When the page was drawn.
    pub now: DateTime<Utc>,
}

impl Frame {
    /// `page` for the link to this very page, as `aria-current` wants it.
    pub fn current(&self, path: &str) -> &'static str {
        if self.place.split('?').next() == Some(path) { "page" } else { "false" }
    }
}

#[derive(askama::Template)]
#[template(path = "shop/refused.html")]
struct RefusedPage<'a> {
    frame: Frame,
    refused: &'a Refused,
}

/// Answers with a page.
pub fn page(template: &impl askama::Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            error!(%error, "a page of the shop could not be drawn");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The last word on every answer: what was refused becomes a page, and no browser may run, frame or keep what it should not.
pub async fn finish(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let place = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_get = request.method().is_safe();
    let mut response = next.run(request).await;
    let is_drawn = is_html(&response) || !response.status().is_client_error();
    let refused = response.extensions_mut().remove::<Refused>();
    if let Some(refused) = refused.or_else(|| (!is_drawn).then(|| Refused::of_status(response.status()))) {
        response = explained(&shop, &headers, if is_get { &place } else { "/shop" }, is_get, &refused);
    }
    if is_html(&response) && Kept::Told.shown(&headers, shop.behind_tls).is_some() {
        set_cookie(&mut response, &Kept::Told.forget(shop.behind_tls));
    }
    protect(&shop, response.headers_mut());
    response
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// A refusal as a page. A session that has ended is forgotten; who has none is asked to sign in, and led back.
fn explained(shop: &Shop, headers: &HeaderMap, place: &str, is_get: bool, refused: &Refused) -> Response {
    let has_session = Kept::Session.shown(headers, shop.behind_tls).is_some();
    if refused.is_about_who_asks() && refused.kind != "sign-in-invalid" {
        let to = if has_session && is_get { place.to_owned() } else { sign_in_leading_to(place) };
        let mut response = Redirect::to(&to).into_response();
        if has_session {
            set_cookie(&mut response, &Kept::Session.forget(shop.behind_tls));
        }
        return response;
    }
    let frame = Frame {
        words: Words::of_reader(headers, shop),
        shop: shop.front.name.clone(),
        is_signed_in: has_session,
        in_cart: None,
        told: None,
        place: place.to_owned(),
        now: clock::now(),
    };
    let mut response = page(&RefusedPage { frame, refused });
    *response.status_mut() = refused.status;
    if let Some(wait) = refused.retry_after.as_deref().and_then(|wait| HeaderValue::from_str(wait).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

fn set_cookie(response: &mut Response, cookie: &Cookie<'_>) {
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// No script and no style but our own files, and none inside a page, so that a text of a stranger that slipped through would
/// still do nothing. A page that opens another's window says so itself.
fn protect(shop: &Shop, headers: &mut HeaderMap) {
    let window = shop.front.window.as_ref().map(super::settings::Window::form_target).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; connect-src 'self'; \
         form-action 'self' {window}; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

const PROTECTION: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
];

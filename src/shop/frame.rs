//! What all pages share: a page is a template that extends `shop/frame.html` and has a field `frame: Frame`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::Cookie;
use chrono::{DateTime, Utc};
use tracing::error;

use super::Shop;
use super::addresses::{local, sign_in_leading_to};
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

/// The same with another status.
pub fn page_with(status: StatusCode, template: &impl askama::Template) -> Response {
    let mut response = page(template);
    *response.status_mut() = status;
    response
}

/// Tells a script's request that the page it is a part of is no longer so, and has the browser ask for all of it.
pub fn draw_anew() -> Response {
    (StatusCode::NO_CONTENT, [(HX_REFRESH, "true")]).into_response()
}

/// The last word on every answer: what was refused becomes a page, and no browser may run, frame or keep what it should not.
pub async fn finish(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let mut response = next.run(request).await;
    let is_drawn = is_html(&response) || !response.status().is_client_error();
    let allow = response.headers_mut().remove(header::ALLOW);
    let refused = response.extensions_mut().remove::<Refused>();
    if let Some(refused) = refused.or_else(|| (!is_drawn).then(|| Refused::of_status(response.status()))) {
        response = explained(&shop, &asked, &refused);
    }
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    let is_page = is_html(&response) && !asked.is_of_a_part;
    if is_page && Kept::Told.shown(&asked.headers, shop.behind_tls).is_some() {
        set_cookie(&mut response, &Kept::Told.forget(shop.behind_tls));
    }
    protect(&shop, response.headers_mut());
    if asked.is_picture && response.status().is_success() {
        response.headers_mut().insert(header::CACHE_CONTROL, FOR_PICTURES);
    }
    response
}

/// A shop may change a picture under its name.
const FOR_PICTURES: HeaderValue = HeaderValue::from_static("public, max-age=3600");
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
const HX_REFRESH: HeaderName = HeaderName::from_static("hx-refresh");

/// What of a request decides how its answer is finished.
struct Asked {
    headers: HeaderMap,
    /// A page to try again from.
    place: String,
    is_get: bool,
    /// By a script, for a part of a page.
    is_of_a_part: bool,
    is_picture: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let headers = request.headers().clone();
        let is_get = request.method().is_safe();
        let own = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let before = || {
            let from = headers.get(header::REFERER).and_then(|from| from.to_str().ok()).unwrap_or_default();
            let (_, from) = from.split_once("://")?;
            from.find('/').map(|at| from[at..].to_owned())
        };
        let place = if is_get { own } else { local(before()) };
        Self {
            is_of_a_part: headers.contains_key(HX_REQUEST),
            is_picture: request.uri().path().starts_with("/shop/pictures/"),
            headers,
            place,
            is_get,
        }
    }
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// A refusal as a page. A session that has ended is forgotten, and so is a guest whom nobody can be; who has no session is asked
/// to sign in, and led back.
fn explained(shop: &Shop, asked: &Asked, refused: &Refused) -> Response {
    let has = |kept: Kept| kept.shown(&asked.headers, shop.behind_tls).is_some();
    let is_bad_guest = refused.kind == "bad-header" && has(Kept::Guest);
    if (refused.is_about_who_asks() && refused.kind != "sign-in-invalid") || is_bad_guest {
        let gone = if is_bad_guest { Kept::Guest } else { Kept::Session };
        let to =
            if has(gone) && asked.is_get { asked.place.clone() } else { sign_in_leading_to(&asked.place) };
        let mut response = if asked.is_of_a_part {
            // A part of a page cannot become another page: the browser itself has to go there.
            (StatusCode::UNAUTHORIZED, [(HX_REFRESH, "true")]).into_response()
        } else {
            Redirect::to(&to).into_response()
        };
        if has(gone) {
            set_cookie(&mut response, &gone.forget(shop.behind_tls));
        }
        return response;
    }
    let frame = Frame {
        words: Words::of_reader(&asked.headers, shop),
        shop: shop.front.name.clone(),
        is_signed_in: has(Kept::Session),
        in_cart: None,
        told: None,
        place: asked.place.clone(),
        now: clock::now(),
    };
    let mut response = page_with(refused.status, &RefusedPage { frame, refused });
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

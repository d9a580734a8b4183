//! Errors as pages.

use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::Seen;
use crate::http::error::ApiError;

const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

#[derive(askama::Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    status: u16,
    title: String,
    detail: String,
}

#[derive(askama::Template)]
#[template(path = "again.html")]
struct AgainPage<'a> {
    to: &'a str,
}

/// An error of a page's handler, or of the framework, as a page; any other answer as it is.
pub(super) fn as_page(seen: &Seen, response: Response) -> Response {
    let status = response.status();
    let is_html =
        response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if is_html || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    if status == StatusCode::UNAUTHORIZED {
        return ask_to_sign_in(seen);
    }
    let (title, detail) = match response.extensions().get::<ApiError>() {
        Some(error) => {
            let (_, title, detail) = error.summary();
            (title.to_owned(), detail.into_owned())
        }
        None => (
            status.canonical_reason().unwrap_or("This did not work").to_owned(),
            "the request was not understood".to_owned(),
        ),
    };
    let mut page = super::page(&ProblemPage { status: status.as_u16(), title, detail });
    *page.status_mut() = status;
    if let Some(wait) = response.headers().get(RETRY_AFTER) {
        page.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    page
}

/// Leads a stranger to the sign-in form, and back afterwards.
fn ask_to_sign_in(seen: &Seen) -> Response {
    // A link in a chat brings no session along (`SameSite=Strict`), though there may be one: the page asks for itself once
    // more, from itself.
    if seen.is_get && seen.from_elsewhere {
        return super::page(&AgainPage { to: &seen.path_and_query });
    }
    let next: String = form_urlencoded(if seen.is_get { &seen.path_and_query } else { "/ops" });
    let to = format!("/ops/sign-in?next={next}");
    if !seen.by_htmx {
        return Redirect::to(&to).into_response();
    }
    // A fragment cannot be replaced by a whole page: the browser itself must go there.
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    if let Ok(to) = HeaderValue::from_str("/ops/sign-in") {
        response.headers_mut().insert(HX_REDIRECT, to);
    }
    response.headers_mut().remove(LOCATION);
    response
}

/// A text as the value of a query.
fn form_urlencoded(text: &str) -> String {
    askama::filters::urlencode_strict(text).map(|text| text.to_string()).unwrap_or_default()
}

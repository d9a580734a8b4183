//! Signing in to the console by token, and out.

use axum::Form;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::CookieJar;
use futures_util::FutureExt as _;
use serde::Deserialize;
use tracing::info;

use crate::http::address::CallerAddress;
use crate::http::app::App;
use crate::http::auth::presented;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::rates::Shown;
use crate::ops::console;
use crate::ops::rights::OwnPage;
use crate::ops::rights::session::{self, cookie};
use crate::store::operators::sessions;
use crate::store::operators::tokens::{self, Role};

/// A working day: who is still at it signs in again.
const SESSION_SECONDS: i32 = 12 * 60 * 60;
const HOME: &str = "/ops";

/// Where to go after signing in.
#[derive(Debug, Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// What the sign-in form sends.
#[derive(Deserialize)]
pub struct SignIn {
    token: String,
    next: Option<String>,
}

#[derive(askama::Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    next: String,
    problem: Option<&'static str>,
}

pub async fn form(Query(Next { next }): Query<Next>) -> Response {
    console::page(&SignInPage { next: local(next), problem: None })
}

/// Begins a session for whoever has the token of a viewer, operator or admin.
pub async fn sign_in(
    State(app): State<App>,
    _: OwnPage,
    CallerAddress(from): CallerAddress,
    jar: CookieJar,
    Form(SignIn { token, next }): Form<SignIn>,
) -> Result<Response, ApiError> {
    let next = local(next);
    let hash = tokens::hash(token.trim());
    let secret = tokens::new_token();
    let known = presented(&app, Shown::SignIn, from, hash).await?;
    if let Some(caller) = &known {
        if !matches!(caller.role, Role::Shop | Role::Customer) {
            app.rates.command_by_token(&caller.name)?;
            if begin(&app, hash, &secret).await? {
                info!(actor = %caller.name, "signed in to the console");
                return Ok((jar.add(cookie(&app, secret)), Redirect::to(&next)).into_response());
            }
        }
        app.rates.strangers().note_failure(Shown::SignIn, from);
    }
    let problem = Some("This token is not known here, or not one of an operator.");
    Ok(console::page(&SignInPage { next, problem }))
}

/// Begins a session, unless the token was revoked since it was looked up.
async fn begin(app: &App, token_hash: [u8; 32], secret: &str) -> Result<bool, ApiError> {
    let secret_hash = tokens::hash(secret);
    let begun = app.write(move |tx| {
        async move { Ok(sessions::begin(tx, &token_hash, &secret_hash, SESSION_SECONDS).await?) }.boxed()
    });
    begun.await
}

/// Ends the session, if there is one.
pub async fn sign_out(
    State(app): State<App>,
    _: OwnPage,
    from: CallerAddress,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<Response, ApiError> {
    if let Some(hash) = session::secret_hash(&app, &headers)
        && session::find(&app, Shown::SignOut, from, hash).await?.is_some()
    {
        app.write(move |tx| async move { Ok(sessions::end(tx, &hash).await?) }.boxed()).await?;
    }
    let ended = jar.remove(cookie(&app, String::new()));
    Ok((ended, Redirect::to("/ops/sign-in")).into_response())
}

/// Where to go on, if that is a page of the console: a link must not lead a newly signed-in operator elsewhere.
fn local(next: Option<String>) -> String {
    let is_ours = |next: &String| {
        let is_page =
            next.strip_prefix(HOME).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        is_page && !next.contains(|c: char| c.is_control() || c == '\\')
    };
    next.filter(is_ours).unwrap_or_else(|| HOME.to_owned())
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn signing_in_leads_nowhere_but_to_the_console() {
        for good in ["/ops", "/ops/orders?status=held&after=1", "/ops?x=1"] {
            assert_eq!(local(Some(good.to_owned())), good);
        }
        for bad in
            ["https://evil.kr", "//evil.kr/ops", "/opsevil", "/v1/orders", "/ops\\@evil", "/ops/\r\nX: 1", ""]
        {
            assert_eq!(local(Some(bad.to_owned())), "/ops");
        }
    }
}

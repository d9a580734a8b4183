//! Signing in by a mailed link or by a shop's own word, signing out, and the language of the pages.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Form, Query};
use crate::shop::addresses::{HOME, local};
use crate::shop::answers::Session;
use crate::shop::api::Call;
use crate::shop::cookies::Kept;
use crate::shop::frame::{Frame, page, page_with};
use crate::shop::refused::Refused;
use crate::shop::visitor::{Visitor, with_cookies};
use crate::shop::words::Language;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub struct Next {
    next: Option<String>,
}

#[derive(askama::Template)]
#[template(path = "shop/sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    email: String,
    is_sent: bool,
    refused: Option<Refused>,
}

pub async fn form(visitor: Visitor, Query(Next { next }): Query<Next>) -> Result<Response, Refused> {
    let next = local(next);
    if visitor.is_signed_in() {
        return Ok(Redirect::to(&next).into_response());
    }
    let frame = visitor.frame().await;
    Ok(page(&SignInPage { frame, next, email: String::new(), is_sent: false, refused: None }))
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct Asked {
    email: String,
    next: Option<String>,
}

/// Has a link mailed. What went wrong is told beside what was typed.
pub async fn ask_for_link(visitor: Visitor, Form(asked): Form<Asked>) -> Result<Response, Refused> {
    let next = local(asked.next);
    let email = asked.email.trim().to_owned();
    let body = json!({"email": email, "language": visitor.words.language.code(), "next": next});
    let refused = visitor.ask_as_stranger(Call::post("/v1/sign-ins", body)).await.err();
    let status = refused.as_ref().map_or(StatusCode::OK, |refused| refused.status);
    let frame = visitor.frame().await;
    Ok(page_with(status, &SignInPage { frame, next, email, is_sent: refused.is_none(), refused }))
}

/// What shows who somebody is: a link that was mailed, or the word of the shop whose customer they are.
#[derive(Debug, Default, Deserialize)]
pub struct Shown {
    link: Option<String>,
    jwt: Option<String>,
    next: Option<String>,
}

#[derive(askama::Template)]
#[template(path = "shop/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    shown: Shown,
}

/// Asks for a press of a button: programs that look at mails follow links, and each is good once.
pub async fn confirm_form(visitor: Visitor, Query(shown): Query<Shown>) -> Result<Response, Refused> {
    if shown.link.is_none() && shown.jwt.is_none() {
        return Ok(Redirect::to("/shop/sign-in").into_response());
    }
    let frame = visitor.frame().await;
    Ok(page(&ConfirmPage { frame, shown }))
}

/// Begins a session, and takes the cart along that was filled before.
pub async fn confirm(visitor: Visitor, Form(shown): Form<Shown>) -> Result<Response, Refused> {
    let body = match (&shown.link, &shown.jwt) {
        (Some(link), _) => json!({"link": link}),
        (None, Some(jwt)) => json!({"jwt": jwt}),
        (None, None) => return Err(Refused::bad_form()),
    };
    let session: Session = visitor.ask_as_stranger(Call::post("/v1/sessions", body)).await?.read()?;
    let next = local(session.next.or(shown.next));
    let behind_tls = visitor.shop.behind_tls;
    if visitor.is_signed_in() {
        // Nobody can use the earlier session any more; that it lives on is no reason not to begin another.
        let _ = visitor.ask(Call::delete("/v1/sessions/current")).await;
    }
    let visitor = visitor.signed_in_by(session.token.clone());
    let keep = Kept::Session.keep(session.token, behind_tls);
    // Whether or not the carts can become one now, they are signed in.
    Ok(match visitor.merge_carts().await {
        Ok(true) => {
            (with_cookies([keep, Kept::Guest.forget(behind_tls)]), Redirect::to(&next)).into_response()
        }
        Ok(false) => (with_cookies([keep]), visitor.told("told-not-all-fits", "/shop/cart")).into_response(),
        Err(_) => (with_cookies([keep]), Redirect::to(&next)).into_response(),
    })
}

/// Ends the session. The browser forgets it in any case.
pub async fn sign_out(visitor: Visitor) -> Response {
    let forget = Kept::Session.forget(visitor.shop.behind_tls);
    let ended = match visitor.is_signed_in() {
        true => visitor.ask(Call::delete("/v1/sessions/current")).await.map(|_| ()),
        false => Ok(()),
    };
    let there = match ended {
        Err(refused) if refused.status.is_server_error() => visitor.told("told-signed-out-here", HOME),
        _ => Redirect::to(HOME).into_response(),
    };
    (with_cookies([forget]), there).into_response()
}

/// What the buttons for the language send.
#[derive(Debug, Deserialize)]
pub struct Chosen {
    language: String,
    next: Option<String>,
}

pub async fn choose_language(visitor: Visitor, Form(chosen): Form<Chosen>) -> Result<Response, Refused> {
    let language = Language::parse(&chosen.language).ok_or_else(Refused::bad_form)?;
    let cookie = Kept::Language.keep(language.code().to_owned(), visitor.shop.behind_tls);
    Ok((with_cookies([cookie]), Redirect::to(&local(chosen.next))).into_response())
}

//! Whoever looks at a page, and asks the API through it.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::Cookie;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Shop;
use super::answers::{Cart, Guest};
use super::api::{Answer, Call, Origin};
use super::cookies::Kept;
use super::frame::Frame;
use super::refused::Refused;
use super::words::Words;
use crate::clock;
use crate::peers::origin::is_own_page;

const GUEST_HEADER: HeaderName = HeaderName::from_static("holdfast-guest");
/// Where a proxy says for whom it asks.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whoever looks at a page: signed in, a guest with a cart, or a stranger.
#[derive(Clone)]
pub struct Visitor {
    pub shop: Shop,
    pub words: Words,
    session: Option<String>,
    guest: Option<String>,
    told: Option<String>,
    passed_on: HeaderMap,
    origin: Origin,
    /// The page's own path and query.
    pub place: String,
}

impl FromRequestParts<Shop> for Visitor {
    type Rejection = Refused;

    /// What changes something is taken from pages of our own only.
    async fn from_request_parts(parts: &mut Parts, shop: &Shop) -> Result<Self, Refused> {
        if !parts.method.is_safe() && !is_own_page(&parts.headers) {
            return Err(Refused::foreign_page());
        }
        let shown = |kept: Kept| kept.shown(&parts.headers, shop.behind_tls);
        let mut passed_on = HeaderMap::new();
        for value in parts.headers.get_all(&FORWARDED_FOR) {
            passed_on.append(FORWARDED_FOR, value.clone());
        }
        Ok(Self {
            words: Words::of_reader(&parts.headers, shop),
            session: shown(Kept::Session),
            guest: shown(Kept::Guest),
            told: shown(Kept::Told),
            passed_on,
            origin: Origin { peer: parts.extensions.get().copied(), trace: parts.extensions.get().copied() },
            place: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            shop: shop.clone(),
        })
    }
}

impl Visitor {
    pub fn is_signed_in(&self) -> bool {
        self.session.is_some()
    }

    /// Makes a call as whoever this is.
    pub async fn ask(&self, call: Call) -> Result<Answer, Refused> {
        let mut headers = self.passed_on.clone();
        match (&self.session, &self.guest) {
            (Some(session), _) => set(&mut headers, AUTHORIZATION, &format!("Bearer {session}")),
            (None, Some(guest)) => set(&mut headers, GUEST_HEADER, guest),
            (None, None) => {}
        }
        self.shop.api.ask(call, headers, self.origin).await
    }

    /// Makes a call as nobody in particular.
    pub async fn ask_as_stranger(&self, call: Call) -> Result<Answer, Refused> {
        self.shop.api.ask(call, self.passed_on.clone(), self.origin).await
    }

    /// Reads something as whoever this is.
    pub async fn read<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, Refused> {
        self.ask(Call::get(path)).await?.read()
    }

    /// Whether they have a cart from before they signed in.
    pub fn has_two_carts(&self) -> bool {
        self.session.is_some() && self.guest.is_some()
    }

    /// Refuses those who are not signed in.
    pub fn signed_in(&self) -> Result<(), Refused> {
        if self.is_signed_in() { Ok(()) } else { Err(Refused::sign_in_first()) }
    }

    /// The same visitor, who is signed in now.
    pub fn signed_in_by(&self, token: String) -> Self {
        Self { session: Some(token), ..self.clone() }
    }

    /// Moves what they put into their cart as a guest into that of the customer they are. Returns whether all of it fitted.
    pub async fn merge_carts(&self) -> Result<bool, Refused> {
        let (Some(session), Some(guest)) = (&self.session, &self.guest) else { return Ok(true) };
        let mut headers = self.passed_on.clone();
        set(&mut headers, AUTHORIZATION, &format!("Bearer {session}"));
        set(&mut headers, GUEST_HEADER, guest);
        let merged = self.shop.api.ask(Call::post("/v1/cart/merge", json!({})), headers, self.origin).await?;
        Ok(merged.body["left_out"].as_array().is_none_or(Vec::is_empty))
    }

    /// The same visitor with a cart of their own, and the cookie by which it is found again, if it is new.
    pub async fn with_cart(self) -> Result<(Self, Option<Cookie<'static>>), Refused> {
        if self.session.is_some() || self.guest.is_some() {
            return Ok((self, None));
        }
        let Guest { guest } = self.ask(Call::post("/v1/cart/guests", json!({}))).await?.read()?;
        let cookie = Kept::Guest.keep(guest.clone(), self.shop.behind_tls);
        Ok((Self { guest: Some(guest), ..self }, Some(cookie)))
    }

    /// Their cart, if they have one.
    pub async fn cart(&self) -> Result<Option<Cart>, Refused> {
        if self.session.is_none() && self.guest.is_none() {
            return Ok(None);
        }
        self.read("/v1/cart").await.map(Some)
    }

    /// What every page shows around its own. How many things are in the cart is left out if that cannot be said: no page
    /// fails for it.
    pub async fn frame(&self) -> Frame {
        let cart = self.cart().await.ok().flatten();
        self.frame_with(cart.as_ref())
    }

    pub fn frame_with(&self, cart: Option<&Cart>) -> Frame {
        Frame {
            words: self.words,
            shop: self.shop.front.name.clone(),
            is_signed_in: self.is_signed_in(),
            in_cart: cart.map(|cart| cart.items.iter().map(|item| item.quantity).sum()),
            told: self
                .told
                .as_deref()
                .filter(|name| name.starts_with("told-"))
                .and_then(|name| self.words.find(name)),
            place: self.place.clone(),
            now: clock::now(),
        }
    }

    /// Sends the browser to a page, which tells the text of this name.
    pub fn told(&self, what: &str, to: &str) -> Response {
        let cookie = Kept::Told.keep(what.to_owned(), self.shop.behind_tls);
        (with_cookies([cookie]), Redirect::to(to)).into_response()
    }
}

/// Headers that set these cookies.
pub fn with_cookies<const N: usize>(cookies: [Cookie<'static>; N]) -> axum_extra::extract::CookieJar {
    cookies.into_iter().fold(axum_extra::extract::CookieJar::new(), axum_extra::extract::CookieJar::add)
}

/// What a browser shows may be no header at all; then the API hears nothing of it.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

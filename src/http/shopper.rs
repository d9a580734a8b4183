//! Whose cart a request is about: a customer's, or that of a guest, who has no token and a secret of their own.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use uuid::Uuid;

use super::address::CallerAddress;
use super::app::App;
use super::auth::{Buyer, CUSTOMER_HEADER};
use super::error::ApiError;
use super::rates::Turn;
use super::tokens::Caller;
use crate::domain::ids::CustomerId;
use crate::store::carts::CartOwner;
use crate::store::operators::tokens::{Role, hash};

/// Shows a guest's secret.
pub const GUEST_HEADER: &str = "Holdfast-Guest";
const SECRET_PREFIX: &str = "hfg_";
const SECRET_DIGITS: usize = 64;

/// A new guest's secret of 244 random bits.
pub fn new_secret() -> String {
    format!("{SECRET_PREFIX}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// The guest whom the header shows, if it shows one. Every secret of the right form is somebody's: whose cart is empty.
fn shown_guest(parts: &Parts) -> Result<Option<CartOwner>, ApiError> {
    let Some(value) = parts.headers.get(GUEST_HEADER) else { return Ok(None) };
    let digits = value.to_str().unwrap_or_default().strip_prefix(SECRET_PREFIX);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match digits {
        Some(digits) if digits.len() == SECRET_DIGITS && digits.bytes().all(is_digit) => {
            Ok(Some(CartOwner::Guest(hash(digits))))
        }
        _ => Err(ApiError::BadHeader(format!(
            "{GUEST_HEADER} must be a secret that POST /v1/cart/guests gave"
        ))),
    }
}

/// Whoever has a cart: a customer, by a token or named by a shop; or a guest, by a secret, for whom a shop may act too.
#[derive(Debug)]
pub struct Shopper {
    pub owner: CartOwner,
    /// Whence a guest calls who shows no token.
    stranger: Option<IpAddr>,
}

impl FromRequestParts<App> for Shopper {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            let owner = shown_guest(parts)?.ok_or(ApiError::Unauthenticated)?;
            return Ok(Self { owner, stranger: Some(count_call(parts, app).await?) });
        }
        let caller = Caller::from_request_parts(parts, app).await?;
        if caller.role == Role::Shop
            && !parts.headers.contains_key(CUSTOMER_HEADER)
            && let Some(owner) = shown_guest(parts)?
        {
            return Ok(Self { owner, stranger: None });
        }
        let Buyer(customer) = Buyer::from_request_parts(parts, app).await?;
        Ok(Self { owner: CartOwner::Customer(customer), stranger: None })
    }
}

/// Counts a call without a token. Returns where it comes from.
async fn count_call(parts: &mut Parts, app: &App) -> Result<IpAddr, ApiError> {
    let Ok(CallerAddress(from)) = CallerAddress::from_request_parts(parts, app).await;
    app.rates.guests().call(from)?;
    Ok(from)
}

impl Shopper {
    /// Waits for a guest's turn to use the database. Wait for it once the request is read.
    pub async fn turn(&self, app: &App) -> Result<Option<Turn>, ApiError> {
        match self.stranger {
            Some(from) => app.rates.guests().turn(&app.guest_turns, from).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whence a guest calls who shows no token, and is to pay for a new cart.
    pub fn stranger(&self) -> Option<IpAddr> {
        self.stranger
    }
}

/// Somebody who may become a guest: anybody.
#[derive(Debug, Clone, Copy)]
pub struct Anybody;

impl FromRequestParts<App> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if parts.headers.contains_key(AUTHORIZATION) {
            Caller::from_request_parts(parts, app).await?;
        } else {
            count_call(parts, app).await?;
        }
        Ok(Self)
    }
}

/// The guest whose cart is to become part of a customer's.
#[derive(Debug)]
pub struct GuestOf(pub CartOwner);

impl FromRequestParts<App> for GuestOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let missing = || ApiError::BadHeader(format!("{GUEST_HEADER} says whose cart to move"));
        shown_guest(parts)?.map(Self).ok_or_else(missing)
    }
}

/// A customer who checks out; a guest is told to sign in.
#[derive(Debug)]
pub struct CheckingOut(pub CustomerId);

impl FromRequestParts<App> for CheckingOut {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(AUTHORIZATION) && shown_guest(parts)?.is_some() {
            return Err(ApiError::SignInFirst);
        }
        Buyer::from_request_parts(parts, app).await.map(|Buyer(customer)| Self(customer))
    }
}

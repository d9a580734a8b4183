//! Who calls: bearer tokens, their roles, and the customer a request is for.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tokio::time::Instant;

use super::app::App;
use super::error::ApiError;
use super::places_to_stay::Whose;
use super::tokens::Caller;
use super::visit::{Credential, Visit};
use crate::domain::ids::CustomerId;
use crate::store::operators::sessions;
use crate::store::operators::tokens::{self, Role, Token, hash};

/// Names the customer a shop acts for.
pub const CUSTOMER_HEADER: &str = "Holdfast-Customer";

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or(ApiError::Unauthenticated)?;
        let hash = hash(token.trim());
        let caller = find(app, hash).await?;
        parts.extensions.insert(Visit::new(Whose::Token(caller.name.clone()), Credential::Token(hash)));
        Ok(caller)
    }
}

/// Who has the token of this hash, as it was found at most so long ago as tokens are remembered.
async fn find(app: &App, hash: [u8; 32]) -> Result<Caller, ApiError> {
    if let Some(caller) = app.tokens.seen.get(&hash) {
        return Ok(caller);
    }
    let found = app.read(async |conn| tokens::find(conn, &hash).await).await?;
    let Token { name, role, customer_id } = found.ok_or(ApiError::Unauthenticated)?;
    let customer = customer_id.map(CustomerId::parse).transpose().map_err(|_| ApiError::Internal)?;
    let caller = Caller { name, role, customer };
    app.tokens.seen.insert(hash, caller.clone());
    Ok(caller)
}

/// Whether a caller who stays may still be told anything: a token or session that is gone is noticed while they stay as it
/// would be at their next request.
pub async fn check(app: &App, visit: &mut Visit) -> Result<(), ApiError> {
    match visit.credential {
        Credential::Token(hash) => find(app, hash).await.map(drop),
        Credential::Session(_) if visit.good_at.elapsed() < app.tokens.remembered_for => Ok(()),
        Credential::Session(hash) => {
            let asked = Instant::now();
            let found = app.read(async |conn| sessions::find(conn, &hash).await).await?;
            visit.good_at = asked;
            found.map(drop).ok_or(ApiError::Unauthenticated)
        }
    }
}

/// From here on the caller acts for this customer, and takes the customer's share of what there is.
fn acts_for(parts: &mut Parts, customer: &CustomerId) {
    if let Some(visit) = parts.extensions.get_mut::<Visit>() {
        visit.whose = Whose::Customer(customer.clone());
    }
}

/// The customer whose orders and wallet a request is about: fixed by a customer's token, named by a shop.
#[derive(Debug, Clone)]
pub struct Buyer(pub CustomerId);

impl FromRequestParts<App> for Buyer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let named = named_customer(parts)?;
        let customer = match (caller.role, caller.customer, named) {
            (Role::Shop, _, Some(named)) => named,
            (Role::Shop, _, None) => {
                return Err(ApiError::BadHeader(format!("a shop names its customer in {CUSTOMER_HEADER}")));
            }
            (Role::Customer, Some(own), named) if named.as_ref().is_none_or(|named| *named == own) => own,
            (Role::Customer, ..) => {
                return Err(ApiError::Forbidden("a customer's token acts for that customer only"));
            }
            _ => return Err(ApiError::Forbidden("orders and wallets are for shops and customers")),
        };
        acts_for(parts, &customer);
        Ok(Self(customer))
    }
}

/// The customer whom the header names, if it names one.
fn named_customer(parts: &Parts) -> Result<Option<CustomerId>, ApiError> {
    let Some(value) = parts.headers.get(CUSTOMER_HEADER) else { return Ok(None) };
    let bad = || ApiError::BadHeader(format!("{CUSTOMER_HEADER} must be 1 to 64 visible ASCII characters"));
    let text = value.to_str().map_err(|_| bad())?;
    CustomerId::parse(text).map(Some).map_err(|_| bad())
}

/// The customer to whom a shop or an operator gives something; no customer gives it to themselves.
#[derive(Debug, Clone)]
pub struct Beneficiary(pub CustomerId);

impl FromRequestParts<App> for Beneficiary {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, app).await?.role {
            Role::Shop | Role::Operator | Role::Admin => {}
            Role::Customer | Role::Viewer => {
                return Err(ApiError::Forbidden("this is for shops and operators"));
            }
        }
        let named = named_customer(parts)?.ok_or_else(|| {
            ApiError::BadHeader(format!("a shop or operator names the customer in {CUSTOMER_HEADER}"))
        })?;
        acts_for(parts, &named);
        Ok(Self(named))
    }
}

/// A caller who keeps the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Shopkeeper;

impl FromRequestParts<App> for Shopkeeper {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, app).await?.role {
            Role::Shop | Role::Operator | Role::Admin => Ok(Self),
            Role::Customer | Role::Viewer => Err(ApiError::Forbidden("the catalogue is kept by shops")),
        }
    }
}

//! Who calls: bearer tokens, their roles, and the customer a request is for.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tokio::time::Instant;

use super::address::CallerAddress;
use super::app::App;
use super::error::ApiError;
use super::places_to_stay::Whose;
use super::rates::Shown;
use super::tokens::Caller;
use super::visit::{Credential, Visit};
use crate::domain::ids::CustomerId;
use crate::domain::reason::Reason;
use crate::store::catalogue::keeping::Signature;
use crate::store::operators::sessions;
use crate::store::operators::tokens::{self, Role, Token, hash};

/// Names the customer a shop acts for.
pub const CUSTOMER_HEADER: &str = "Holdfast-Customer";

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let caller = authenticate(parts, app).await?;
        count_command(app, parts, &caller.name)?;
        let visit =
            Visit { whose: Whose::of_token(&caller.name), credential: Credential::Token(caller.token) };
        parts.extensions.insert(visit);
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

/// A customer's own session.
pub const OWN_SESSION: &str = "/v1/sessions/current";

/// Counts a request that changes something, unless the token of this name, or its sessions, ask for too many. To revoke a
/// token or to end a session is always allowed: whoever has stolen one must not be able to keep it by asking for too much.
pub fn count_command(app: &App, parts: &Parts, token_name: &str) -> Result<(), ApiError> {
    let path = parts.extensions.get().map_or("", MatchedPath::as_str);
    if parts.method.is_safe() || path.ends_with("/revoke") || path == OWN_SESSION {
        return Ok(());
    }
    app.rates.command_by_token(token_name)
}

/// Who presents a good token.
async fn authenticate(parts: &mut Parts, app: &App) -> Result<Caller, ApiError> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let hash = token.map(|(_, token)| hash(token.trim())).ok_or(ApiError::Unauthenticated)?;
    let Ok(CallerAddress(from)) = CallerAddress::from_request_parts(parts, app).await;
    let found = presented(app, Shown::Token, from, hash).await?;
    found.ok_or(ApiError::Unauthenticated)
}

/// Who presents the token of this hash, in a header or in the sign-in form; nobody, if it is none.
pub async fn presented(
    app: &App,
    by: Shown,
    from: IpAddr,
    hash: [u8; 32],
) -> Result<Option<Caller>, ApiError> {
    match app.tokens.seen(&hash) {
        Some(caller) => Ok(Some(caller)),
        None => app.rates.strangers().look_up(&app.turns, by, from, &hash, find(app, hash)).await,
    }
}

/// Whose token has this hash.
async fn find(app: &App, hash: [u8; 32]) -> Result<Option<Caller>, ApiError> {
    let app = app.clone();
    let tokens = app.tokens.clone();
    tokens.find(hash, || look_up(app, hash)).await
}

async fn look_up(app: App, hash: [u8; 32]) -> Result<Option<Caller>, ApiError> {
    let found = app.read(async |conn| tokens::find(conn, &hash).await).await?;
    let Some(Token { name, role, customer_id }) = found else { return Ok(None) };
    let customer = customer_id.map(CustomerId::parse).transpose().map_err(|_| ApiError::Internal)?;
    Ok(Some(Caller { name, role, customer, token: hash }))
}

/// Whether a caller who stays may still be told anything: a token or session that is gone is noticed while they stay as it
/// would be at their next request.
pub async fn check(app: &App, visit: &mut Visit) -> Result<(), ApiError> {
    let is_good = match &mut visit.credential {
        Credential::Token(hash) => find(app, *hash).await?.is_some(),
        Credential::Session { good_at, .. } if good_at.elapsed() < app.tokens.remembered_for => true,
        Credential::Session { secret, good_at } => {
            let asked = Instant::now();
            let found = app.read(async |conn| sessions::find(conn, &*secret).await).await?;
            *good_at = asked;
            found.is_some()
        }
    };
    if is_good { Ok(()) } else { Err(ApiError::Unauthenticated) }
}

/// From here on the caller acts for this customer, and takes the customer's share of what there is.
fn acts_for(parts: &mut Parts, customer: &CustomerId) {
    if let Some(visit) = parts.extensions.get_mut::<Visit>() {
        visit.whose.customer = Some(customer.clone());
    }
}

/// The customer whose orders and wallet a request is about: fixed by a customer's token, named by a shop.
#[derive(Debug, Clone)]
pub struct Buyer(pub CustomerId);

impl FromRequestParts<App> for Buyer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let customer = customer_of(caller, named_customer(parts)?)?;
        acts_for(parts, &customer);
        if !parts.method.is_safe() {
            app.rates.command_by_customer(&customer)?;
        }
        Ok(Self(customer))
    }
}

/// The customer for whom a caller asks, who may have named one.
fn customer_of(caller: Caller, named: Option<CustomerId>) -> Result<CustomerId, ApiError> {
    match (caller.role, caller.customer, named) {
        (Role::Shop, _, Some(named)) => Ok(named),
        (Role::Shop, _, None) => {
            Err(ApiError::BadHeader(format!("a shop names its customer in {CUSTOMER_HEADER}")))
        }
        (Role::Customer, Some(own), named) if named.as_ref().is_none_or(|named| *named == own) => Ok(own),
        (Role::Customer, ..) => Err(ApiError::Forbidden("a customer's token acts for that customer only")),
        _ => Err(ApiError::Forbidden("orders and wallets are for shops and customers")),
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
#[derive(Debug, Clone)]
pub struct Shopkeeper {
    /// The name of its token.
    pub name: String,
    is_operator: bool,
}

impl Shopkeeper {
    /// What the audit log is to say of them, which tells of operators.
    pub fn signature(self, reason: Option<Reason>) -> Option<Signature> {
        self.is_operator.then_some(Signature { actor: self.name, reason })
    }
}

impl FromRequestParts<App> for Shopkeeper {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        match caller.role {
            Role::Shop => Ok(Self { name: caller.name, is_operator: false }),
            Role::Operator | Role::Admin => Ok(Self { name: caller.name, is_operator: true }),
            Role::Customer | Role::Viewer => Err(ApiError::Forbidden("the catalogue is kept by shops")),
        }
    }
}

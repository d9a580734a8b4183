//! `/v1/sessions`: a customer signs in, and out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use tracing::info;
use utoipa::ToSchema;
use uuid::Uuid;

use super::carts::NO_STORE;
use crate::domain::ids::CustomerId;
use crate::domain::shop_path::ShopPath;
use crate::http::app::App;
use crate::http::body;
use crate::http::browsing::Anyone;
use crate::http::error::ApiError;
use crate::http::handed_over::HandedOver;
use crate::http::sign_in_link::SignInLink;
use crate::http::sign_ins::SignIns;
use crate::http::tokens::Caller;
use crate::http::views::Problem;
use crate::store::operators::tokens::{self, hash, new_token};
use crate::store::orders::transaction_time;
use crate::store::{customer_sessions, customers};

/// By what somebody signs in: just one of these.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginSession {
    /// What follows `link=` in the link that was mailed.
    #[schema(max_length = 4000)]
    link: Option<String>,
    /// What a shop has signed to hand its own customer over.
    #[schema(max_length = 8192)]
    jwt: Option<String>,
}

/// What somebody shows who signs in, and we or their shop have signed.
enum Shown {
    Link(SignInLink),
    Jwt(HandedOver),
}

impl BeginSession {
    fn read(self, sign_ins: &SignIns) -> Result<Shown, ApiError> {
        let shown = match (self.link, self.jwt) {
            (Some(link), None) => sign_ins.read(&link).map(Shown::Link),
            (None, Some(jwt)) => sign_ins.read_jwt(&jwt).map(Shown::Jwt),
            _ => return Err(ApiError::Unprocessable("give just one of link and jwt".to_owned())),
        };
        shown.ok_or(ApiError::SignInInvalid)
    }
}

impl Shown {
    /// Where they wanted to go on.
    fn next(&self) -> Option<&ShopPath> {
        match self {
            Self::Link(link) => link.next.as_ref(),
            Self::Jwt(customer) => customer.next.as_ref(),
        }
    }
}

/// A customer who has signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// A customer's token, to be sent as `Authorization: Bearer`.
    pub token: String,
    /// Who they are.
    pub customer_id: String,
    /// From this instant on it is no good.
    pub expires_at: DateTime<Utc>,
    /// Where to go on in the shop, if that was said: by who asked for the link, or in the JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Sign in: exchange a link, or what a shop has signed, for a customer's token that ends after 30 days
///
/// A link is good once, for 15 minutes. It signs in the customer of the address that it was mailed to: the first time that is a new
/// customer. A JWT (`aud` `holdfast`, `exp` at most 10 minutes ahead, `jti`) is good once, and signs in the customer whom it calls
/// `sub`. At most 20 sessions of a customer go on; the ones that would end first give way.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sign-in", security(()), request_body = BeginSession,
    responses(
        (status = 201, description = "Signed in", body = SessionView),
        (status = 401, description = "Forged, over, used before, or not what it has to be", body = Problem),
    )
)]
pub async fn begin(
    State(app): State<App>,
    anyone: Anyone,
    body::Json(request): body::Json<BeginSession>,
) -> Result<Response, ApiError> {
    let shown = request.read(&app.sign_ins)?;
    let next = shown.next().cloned().map(ShopPath::into);
    let token = new_token();
    let secret_hash = hash(&token);
    let turn = anyone.turn(&app).await?;
    let (customer, expires_at) = app
        .write(move |tx| {
            async move {
                // It lasts as long as the work, also if the caller hangs up.
                let _turn = turn;
                let customer = match &shown {
                    Shown::Link(link) => follow(tx, link).await?,
                    Shown::Jwt(customer) => take_over(tx, customer).await?,
                };
                let expires_at = customer_sessions::begin(tx, &customer, &secret_hash).await?;
                Ok((customer, expires_at))
            }
            .boxed()
        })
        .await?;
    info!(%customer, "a customer signed in");
    let view = SessionView { token, customer_id: customer.into(), expires_at, next };
    Ok((StatusCode::CREATED, NO_STORE, Json(view)).into_response())
}

/// Spends a link. Returns whose it is: of an address that nobody has had, a new customer.
async fn follow(tx: &mut PgConnection, link: &SignInLink) -> Result<CustomerId, ApiError> {
    let id = Sha256::digest(format!("link {}", link.id));
    if !customer_sessions::spend(tx, &id, link.expires_at).await? {
        return Err(ApiError::SignInInvalid);
    }
    let new = CustomerId::parse(format!("c-{}", Uuid::now_v7().simple()))?;
    let (customer, is_new) = customer_sessions::customer_of(tx, &link.email, new).await?;
    if is_new {
        customers::set_first_email(tx, &customer, &link.email).await?;
    }
    Ok(customer)
}

/// Spends what a shop has signed. Returns whom it calls its customer.
async fn take_over(tx: &mut PgConnection, said: &HandedOver) -> Result<CustomerId, ApiError> {
    let is_good = said.is_good_at(transaction_time(tx).await?);
    let id = Sha256::digest(format!("jwt:{}", said.name));
    if !is_good || !customer_sessions::spend(tx, &id, said.is_over_at()).await? {
        return Err(ApiError::SignInInvalid);
    }
    if let Some(email) = &said.email {
        customers::set_first_email(tx, &said.customer, email).await?;
    }
    Ok(said.customer.clone())
}

/// Sign out: end the session whose token this is
///
/// It is always allowed, however often its token was used.
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "sign-in",
    responses(
        (status = 204, description = "The session is gone"),
        (status = 403, description = "The token is one that somebody made, and no session", body = Problem),
    )
)]
pub async fn end(State(app): State<App>, caller: Caller) -> Result<StatusCode, ApiError> {
    let hash = caller.token;
    let is_session = app
        .write(move |tx| {
            async move { Ok(customer_sessions::end(tx, &hash).await? || !tokens::is_known(tx, &hash).await?) }
                .boxed()
        })
        .await?;
    if !is_session {
        return Err(ApiError::Forbidden("this token is no session; whoever made it revokes it"));
    }
    app.tokens.forget(&hash);
    Ok(StatusCode::NO_CONTENT)
}

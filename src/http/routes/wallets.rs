//! `/v1/wallet` and `/v1/points`: what customers can spend and its charges, straight in the database.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt as _;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::charges::{self, charge_amount, charge_id, made};
use crate::domain::ids::{CustomerId, IdempotencyKey};
use crate::domain::ledger::Purse;
use crate::http::app::App;
use crate::http::auth::{Beneficiary, Buyer};
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::headers::RequiredKey;
use crate::http::tokens::Caller;
use crate::http::views::{ChargeView, Problem, WalletView};
use crate::store::charges::{self as store, ChargeStatus};
use crate::store::ledger;
use crate::store::operators::tokens::Role;

/// Read the wallet
#[utoipa::path(
    get, path = "/v1/wallet", tag = "wallet",
    responses((status = 200, description = "The balance", body = WalletView))
)]
pub async fn read(State(app): State<App>, Buyer(customer): Buyer) -> Result<Json<WalletView>, ApiError> {
    balance(&app, &customer, Purse::Wallet).await
}

/// Read the points
#[utoipa::path(
    get, path = "/v1/points", tag = "points",
    responses((status = 200, description = "The balance; a point is worth a won", body = WalletView))
)]
pub async fn read_points(
    State(app): State<App>,
    Buyer(customer): Buyer,
) -> Result<Json<WalletView>, ApiError> {
    balance(&app, &customer, Purse::Points).await
}

async fn balance(app: &App, customer: &CustomerId, purse: Purse) -> Result<Json<WalletView>, ApiError> {
    let read = async |conn: &mut PgConnection| {
        let balance = ledger::balance(conn, customer.as_str(), purse.account()).await?;
        let reserved = ledger::balance(conn, customer.as_str(), purse.reserved()).await?;
        Ok::<_, sqlx::Error>(WalletView::new(balance.0, reserved.0))
    };
    Ok(Json(app.read(read).await?))
}

/// How much to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChargeWallet)]
pub struct ChargeRequest {
    /// Whole won.
    #[schema(minimum = 1, maximum = 100000)]
    amount_won: i64,
    /// Who pays for it.
    #[serde(default)]
    method: ChargeMethod,
}

/// Who pays for a charge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChargeMethod {
    /// The shop vouches for it: it is posted at once.
    #[default]
    Shop,
    /// A card: it stays open until it is paid.
    Card,
}

/// Charge the wallet
///
/// By card it is then to be paid: the buyer authenticates a payment at the gateway, whose `orderId` is the charge's id.
#[utoipa::path(
    post, path = "/v1/wallet/charges", tag = "wallet", request_body = ChargeRequest,
    params(("Idempotency-Key" = String, Header, description = "Repeats of one key are one charge")),
    responses(
        (status = 201, description = "Charged, or open until it is paid by card", body = ChargeView),
        (status = 200, description = "The same key before, as it stands now", body = ChargeView),
        (status = 409, description = "The wallet would hold more than 100,000 won", body = Problem),
        (status = 422, description = "A rule is broken, or the key was used for another amount", body = Problem),
    )
)]
pub async fn charge(
    State(app): State<App>,
    caller: Caller,
    Buyer(customer): Buyer,
    RequiredKey(key): RequiredKey,
    body::Json(request): body::Json<ChargeRequest>,
) -> Result<(StatusCode, Json<ChargeView>), ApiError> {
    match request.method {
        ChargeMethod::Shop if caller.role == Role::Customer => {
            Err(ApiError::Forbidden("customers charge by card; only a shop vouches for a charge"))
        }
        ChargeMethod::Shop => fill(&app, customer, &key, Purse::Wallet, request.amount_won).await,
        ChargeMethod::Card => charges::place(&app, customer, &key, request.amount_won).await,
    }
}

/// How many points to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChargePoints {
    /// Points, worth a won each.
    #[schema(minimum = 1, maximum = 10_000_000)]
    amount_won: i64,
}

/// Give points to a customer
#[utoipa::path(
    post, path = "/v1/points/charges", tag = "points", request_body = ChargePoints,
    params(
        ("Idempotency-Key" = String, Header, description = "Repeats of one key are one charge"),
        ("Holdfast-Customer" = String, Header, description = "Who gets them"),
    ),
    responses(
        (status = 201, description = "Charged", body = ChargeView),
        (status = 200, description = "Charged before with the same key", body = ChargeView),
        (status = 409, description = "The customer would have more than 10,000,000 points", body = Problem),
        (status = 422, description = "A rule is broken, or the key was used for another amount", body = Problem),
    )
)]
pub async fn charge_points(
    State(app): State<App>,
    Beneficiary(customer): Beneficiary,
    RequiredKey(key): RequiredKey,
    body::Json(request): body::Json<ChargePoints>,
) -> Result<(StatusCode, Json<ChargeView>), ApiError> {
    fill(&app, customer, &key, Purse::Points, request.amount_won).await
}

async fn fill(
    app: &App,
    customer: CustomerId,
    key: &IdempotencyKey,
    purse: Purse,
    amount_won: i64,
) -> Result<(StatusCode, Json<ChargeView>), ApiError> {
    let amount = charge_amount(purse, amount_won)?;
    let id = charge_id(purse, &customer, key);
    let (charge, is_new) = app
        .write(move |tx| async move { Ok(store::charge(tx, id, &customer, purse, amount).await?) }.boxed())
        .await?;
    if charge.amount != amount || charge.is_by_card {
        return Err(ApiError::KeyReused);
    }
    match (charge.status, charge.balance) {
        (ChargeStatus::Refused, Some(balance)) => Err(ApiError::PurseFull { purse, balance_won: balance.0 }),
        _ => Ok((made(is_new), Json(ChargeView::from(&charge)))),
    }
}

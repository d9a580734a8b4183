//! `/v1/wallet` and `/v1/points`: what customers can spend and its charges, straight in the database.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt as _;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::app::App;
use super::auth::{Beneficiary, Buyer};
use super::body;
use super::error::ApiError;
use super::headers::RequiredKey;
use super::views::{ChargeView, Problem, WalletView};
use crate::domain::ids::{CommandId, CustomerId, IdempotencyKey};
use crate::domain::ledger::Purse;
use crate::domain::money::Won;
use crate::store::charges::{self, ChargeStatus};
use crate::store::ledger;

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
        Ok(WalletView::new(balance.0, reserved.0))
    };
    Ok(Json(app.read(read).await?))
}

/// How much to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChargeWallet {
    /// Whole won.
    #[schema(minimum = 1, maximum = 100000)]
    amount_won: i64,
}

/// Charge the wallet
#[utoipa::path(
    post, path = "/v1/wallet/charges", tag = "wallet", request_body = ChargeWallet,
    params(("Idempotency-Key" = String, Header, description = "Repeats of one key are one charge")),
    responses(
        (status = 201, description = "Charged", body = ChargeView),
        (status = 200, description = "Charged before with the same key", body = ChargeView),
        (status = 409, description = "The wallet would hold more than 100,000 won", body = Problem),
        (status = 422, description = "A rule is broken, or the key was used for another amount", body = Problem),
    )
)]
pub async fn charge(
    State(app): State<App>,
    Buyer(customer): Buyer,
    RequiredKey(key): RequiredKey,
    body::Json(request): body::Json<ChargeWallet>,
) -> Result<(StatusCode, Json<ChargeView>), ApiError> {
    fill(&app, customer, &key, Purse::Wallet, request.amount_won).await
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
    let most = purse.limit().0;
    if !(1..=most).contains(&amount_won) {
        return Err(ApiError::Unprocessable(format!("amount_won must be a whole number from 1 to {most}")));
    }
    let amount = Won(amount_won);
    let kind = match purse {
        Purse::Wallet => "charge",
        Purse::Points => "points",
    };
    let id = CommandId::derive(kind, &customer, key);
    let charge = app
        .write(move |tx| async move { Ok(charges::charge(tx, id, &customer, purse, amount).await?) }.boxed())
        .await?;
    if charge.amount != amount {
        return Err(ApiError::KeyReused);
    }
    match charge.status {
        ChargeStatus::Refused => Err(ApiError::PurseFull { purse, balance_won: charge.balance.0 }),
        ChargeStatus::Posted => {
            let status = if charge.is_new { StatusCode::CREATED } else { StatusCode::OK };
            let view = ChargeView { id: id.0, amount_won: charge.amount.0, balance_won: charge.balance.0 };
            Ok((status, Json(view)))
        }
    }
}

//! `/v1/wallet`: a customer's balance and its charges, straight in the database.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt as _;
use serde::Deserialize;
use utoipa::ToSchema;

use super::app::App;
use super::auth::Buyer;
use super::body;
use super::error::ApiError;
use super::headers::RequiredKey;
use super::views::{ChargeView, Problem, WalletView};
use crate::domain::ids::CommandId;
use crate::domain::money::Won;
use crate::domain::payment::MAX_WALLET_BALANCE;
use crate::store::wallets::{self, ChargeStatus};

/// Read the wallet
#[utoipa::path(
    get, path = "/v1/wallet", tag = "wallet",
    responses((status = 200, description = "The balance", body = WalletView))
)]
pub async fn read(State(app): State<App>, Buyer(customer): Buyer) -> Result<Json<WalletView>, ApiError> {
    let balance = app.read(async |conn| wallets::balance(conn, &customer).await).await?;
    Ok(Json(WalletView::new(balance.0)))
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
    if !(1..=MAX_WALLET_BALANCE.0).contains(&request.amount_won) {
        return Err(ApiError::Unprocessable(
            "amount_won must be a whole number from 1 to 100,000".to_owned(),
        ));
    }
    let amount = Won(request.amount_won);
    let id = CommandId::derive("charge", &customer, &key);
    let charge = app
        .write(move |tx| async move { Ok(wallets::charge(tx, id, &customer, amount).await?) }.boxed())
        .await?;
    if charge.amount != amount {
        return Err(ApiError::KeyReused);
    }
    match charge.status {
        ChargeStatus::Refused => Err(ApiError::WalletFull { balance_won: charge.balance.0 }),
        ChargeStatus::Posted => {
            let status = if charge.is_new { StatusCode::CREATED } else { StatusCode::OK };
            let view = ChargeView { id: id.0, amount_won: charge.amount.0, balance_won: charge.balance.0 };
            Ok((status, Json(view)))
        }
    }
}

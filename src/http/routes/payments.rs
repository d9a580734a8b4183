//! `/v1/orders/{id}/payments`: pay for what is held.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::orders::{OwnOrder, command_id};
use crate::domain::gateway::PaymentKey;
use crate::domain::money::Won;
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::body;
use crate::http::command::give;
use crate::http::error::ApiError;
use crate::http::headers::{OptionalKey, Trace, Wait};
use crate::http::outcome::Awaited;
use crate::http::views::{OrderView, Problem};
use crate::message::{CardPart, ConfirmPayment, PayBy, Version};

/// How to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pay {
    /// From the customer's wallet.
    Wallet {
        /// What the buyer was told the order costs, in whole won: another amount is not taken (409 `price-changed`).
        #[schema(value_type = Option<i64>, minimum = 0)]
        expected_amount_won: Option<Won>,
    },
    /// By a payment that the buyer has authenticated at the gateway.
    Card(PayCard),
    /// From several of these together; the sum is the order's amount.
    Mixed {
        /// From the customer's wallet, in whole won.
        #[serde(default)]
        #[schema(value_type = i64, minimum = 0)]
        wallet_won: Won,
        /// From the customer's points, worth a won each.
        #[serde(default)]
        #[schema(value_type = i64, minimum = 0)]
        points_won: Won,
        /// By card.
        card: Option<PayCard>,
    },
}

/// A payment that the buyer has authenticated at the gateway.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayCard {
    /// The gateway's name of it, as its success page brought it.
    #[schema(value_type = String)]
    payment_key: PaymentKey,
    /// What the buyer agreed to, in whole won.
    #[schema(value_type = i64, minimum = 1)]
    amount_won: Won,
}

impl PayCard {
    pub(super) fn parse(self, app: &App) -> Result<CardPart, ApiError> {
        if app.gateway.is_none() {
            return Err(ApiError::Unprocessable("card payments are not set up here".to_owned()));
        }
        if self.amount_won == Won(0) {
            return Err(ApiError::Unprocessable("amount_won of a card must be at least 1".to_owned()));
        }
        Ok(CardPart { payment_key: self.payment_key, amount_won: self.amount_won })
    }
}

/// Pay for an order
#[utoipa::path(
    post, path = "/v1/orders/{id}/payments", tag = "payments", params(("id" = uuid::Uuid, Path)), request_body = Pay,
    responses(
        (status = 200, description = "Paid", body = OrderView),
        (status = 202, description = "Accepted", body = OrderView),
        (status = 402, description = "Declined; the hold stays until its time", body = Problem),
        (status = 404, description = "No order of this customer", body = Problem),
        (status = 409, description = "Not on hold, or it costs something else than expected", body = Problem),
        (status = 410, description = "Its time is up", body = Problem),
        (status = 422, description = "A rule is broken, or the amount is not the order's", body = Problem),
        (status = 429, description = "Too many callers wait, of this customer or in all", body = Problem),
    )
)]
pub async fn pay(
    State(app): State<App>,
    Buyer(customer): Buyer,
    id: OwnOrder,
    OptionalKey(key): OptionalKey,
    wait: Wait,
    Trace(trace): Trace,
    body::Json(pay): body::Json<Pay>,
) -> Result<Response, ApiError> {
    let order_id = id.check(&customer)?;
    let has_key = key.is_some();
    let command_id = command_id("pay", &customer, order_id, key);
    let pay_by = match pay {
        Pay::Wallet { expected_amount_won } => PayBy::Wallet { expected_amount_won },
        Pay::Card(card) => PayBy::Card(card.parse(&app)?),
        Pay::Mixed { wallet_won, points_won, card } => {
            let card = card.map(|card| card.parse(&app)).transpose()?;
            PayBy::Mixed { wallet_won, points_won, card }
        }
    };
    let stay = wait.begin(&app.stays)?;
    if has_key && !app.remember(command_id.0, pay_by.fingerprint()) {
        return Err(ApiError::KeyReused);
    }
    let command = ConfirmPayment { version: Version, command_id, order_id, pay_by };
    give(&app, command, order_id, stay, Awaited::Payment(command_id), trace.as_deref()).await
}

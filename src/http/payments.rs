//! `/v1/orders/{id}/payments`: pay for what is held.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::app::App;
use super::auth::Buyer;
use super::body;
use super::command::give;
use super::error::ApiError;
use super::headers::{OptionalKey, Trace, Wait};
use super::orders::{OwnOrder, command_id};
use super::outcome::Awaited;
use super::views::{OrderView, Problem};
use crate::domain::gateway::PaymentKey;
use crate::domain::money::Won;
use crate::message::{ConfirmPayment, PayBy, Version};

/// How to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pay {
    /// From the customer's wallet.
    Wallet {},
    /// By a payment that the buyer has authenticated at the gateway.
    Card {
        /// The gateway's name of it, as its success page brought it.
        #[schema(value_type = String)]
        payment_key: PaymentKey,
        /// What the buyer agreed to: the order's amount, in whole won.
        #[schema(value_type = i64, minimum = 1)]
        amount_won: Won,
    },
}

/// Pay for an order
#[utoipa::path(
    post, path = "/v1/orders/{id}/payments", tag = "payments", params(("id" = uuid::Uuid, Path)), request_body = Pay,
    responses(
        (status = 200, description = "Paid", body = OrderView),
        (status = 202, description = "Accepted", body = OrderView),
        (status = 402, description = "Declined; the hold stays until its time", body = Problem),
        (status = 404, description = "No order of this customer", body = Problem),
        (status = 409, description = "Not on hold", body = Problem),
        (status = 410, description = "Its time is up", body = Problem),
        (status = 422, description = "A rule is broken, or the amount is not the order's", body = Problem),
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
    let command_id = command_id("pay", &customer, order_id, key);
    let pay_by = match pay {
        Pay::Wallet {} => PayBy::Wallet,
        Pay::Card { .. } if app.gateway.is_none() => {
            return Err(ApiError::Unprocessable("card payments are not set up here".to_owned()));
        }
        Pay::Card { payment_key, amount_won } => PayBy::Card { payment_key, amount_won },
    };
    let command = ConfirmPayment { version: Version, command_id, order_id, pay_by };
    give(&app, command, order_id, wait, Awaited::Payment(command_id), trace.as_deref()).await
}

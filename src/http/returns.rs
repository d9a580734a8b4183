//! Who asks for a refund: a shop or an operator, at any time, or the customer, for as long as the shop lets them give things back.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::app::App;
use super::auth::{Beneficiary, Buyer};
use super::error::ApiError;
use super::tokens::Caller;
use crate::domain::ids::{CommandId, CustomerId, OrderId};
use crate::domain::refund::Asked;
use crate::store::operators::tokens::Role;
use crate::store::refunds::returns;

/// Who looks at refunds or asks for one, and of whose orders.
#[derive(Debug)]
pub struct Refundee {
    pub customer: CustomerId,
    /// They call by themselves, and give the units back.
    is_own: bool,
}

impl FromRequestParts<App> for Refundee {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if Caller::from_request_parts(parts, app).await?.role == Role::Customer {
            // To look is always allowed.
            if app.return_days == 0 && !parts.method.is_safe() {
                return Err(ApiError::Forbidden("this is for shops and operators"));
            }
            let Buyer(customer) = Buyer::from_request_parts(parts, app).await?;
            return Ok(Self { customer, is_own: true });
        }
        let Beneficiary(customer) = Beneficiary::from_request_parts(parts, app).await?;
        Ok(Self { customer, is_own: false })
    }
}

impl Refundee {
    /// Whether they may ask for this: a customer gives units back and does not keep them, and not long after they have paid. Whether
    /// there is anything to give back is for the worker to say.
    pub async fn check(
        &self,
        app: &App,
        order: OrderId,
        command: CommandId,
        asked: &Asked,
    ) -> Result<(), ApiError> {
        if !self.is_own {
            return Ok(());
        }
        if asked.keeps_any() {
            let what = "a customer gives units back to be sold again: restock cannot be false";
            return Err(ApiError::Unprocessable(what.to_owned()));
        }
        let days = app.return_days;
        let look = app.read(async |conn| returns::is_return_late(conn, order, command, days).await);
        if look.await? { Err(ApiError::ReturnTooLate { days }) } else { Ok(()) }
    }
}

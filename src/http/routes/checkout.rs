//! `/v1/cart/checkout`: a cart becomes an order. Its items are written down before the order is asked for, and leave the cart once
//! it is held.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::FutureExt as _;
use serde::Deserialize;
use tracing::warn;
use utoipa::ToSchema;

use super::orders::{AskedTerms, NewOrder, OnShortage, Terms, ask_for};
use crate::domain::ids::{CustomerId, OrderId};
use crate::domain::items::RequestedItems;
use crate::domain::waiting::WaitFor;
use crate::http::app::App;
use crate::http::body;
use crate::http::error::{ApiError, Excess};
use crate::http::headers::{RequiredKey, Trace, Wait};
use crate::http::shopper::CheckingOut;
use crate::http::views::{OrderView, Problem};
use crate::store::carts::checkouts::{self, Claimed};
use crate::store::carts::{self, CartOwner};

/// When there may be room for another checkout.
const ROOM_AGAIN: Duration = Duration::from_secs(10);

/// How to order what is in the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckOut {
    /// For how long to hold it; 1200 when absent.
    #[schema(minimum = 1, maximum = 86400)]
    hold_seconds: Option<i64>,
    /// What the buyer was told all of it costs, in whole won: for another amount nothing is held (409 `price-changed`).
    #[schema(minimum = 0)]
    expected_amount_won: Option<i64>,
    /// What is to become of it if too few units are there, or the sale is yet to begin: `refuse` when absent. While the order
    /// waits, its items stay in the cart.
    on_shortage: Option<OnShortage>,
    /// How long it waits, counted from the beginning of the sale if that is to come; 86400 when absent.
    #[schema(minimum = 1, maximum = 2592000)]
    wait_seconds: Option<i64>,
    /// What it is content with: `all` of its items when absent.
    wait_for: Option<WaitFor>,
}

impl CheckOut {
    fn terms(self) -> Result<Terms, ApiError> {
        let Self { hold_seconds, expected_amount_won, on_shortage, wait_seconds, wait_for } = self;
        AskedTerms { hold_seconds, expected_amount_won, on_shortage, wait_seconds, wait_for }.parse()
    }
}

/// Order what is in the cart
///
/// What is held leaves the cart; a refused order leaves it as it is, and tells which SKU fell short and how many there are. A
/// repeated key asks for what was in the cart the first time. What an open checkout has asked for is not asked for again under
/// another key.
#[utoipa::path(
    post, path = "/v1/cart/checkout", tag = "cart", request_body = CheckOut,
    params(
        ("Idempotency-Key" = String, Header, description = "Repeats of one key are one order"),
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer with the outcome, up to N (30) seconds"),
    ),
    responses(
        (status = 201, description = "Held, and gone from the cart", body = OrderView),
        (status = 202, description = "Accepted, or waiting in line; look at Location, or at the cart", body = OrderView),
        (status = 401, description = "No token, or none that is known; a guest has to sign in first", body = Problem),
        (status = 409, description = "Refused, and still in the cart: too few units, another price than expected and so on; or the cart is empty, or an open checkout (`order_id`) has asked for all of it", body = Problem),
        (status = 422, description = "A rule is broken, or the key was used for another request", body = Problem),
        (status = 429, description = "Too many callers wait, too many orders of this customer were refused, or too many checkouts of this cart are not decided yet", body = Problem),
        (status = 503, description = "Not accepted: the broker is away or the queue full", body = Problem),
    )
)]
pub async fn check_out(
    State(app): State<App>,
    CheckingOut(customer_id): CheckingOut,
    RequiredKey(key): RequiredKey,
    wait: Wait,
    Trace(trace): Trace,
    body::Json(request): body::Json<CheckOut>,
) -> Result<Response, ApiError> {
    let terms = request.terms()?;
    let order_id = OrderId::derive(&customer_id, &key);
    app.rates.may_place(&customer_id)?;
    let stay = wait.begin(&app.stays)?;
    let items = claim(&app, &customer_id, order_id, terms).await?;
    let is_waiting = stay.is_some();
    let order = NewOrder { order_id, customer_id: customer_id.clone(), items, terms };
    let answer = ask_for(&app, order, stay, trace.as_deref()).await?;
    if is_waiting && answer.status() != StatusCode::ACCEPTED {
        settle(&app, customer_id).await;
    }
    Ok(answer)
}

/// Writes down what is to be ordered under this id on these terms, or finds what was.
async fn claim(
    app: &App,
    customer: &CustomerId,
    order: OrderId,
    terms: Terms,
) -> Result<RequestedItems, ApiError> {
    let owner = CartOwner::Customer(customer.clone());
    let claimed = app
        .write(move |tx| {
            async move {
                let cart = carts::lock(tx, &owner).await?;
                Ok(checkouts::claim(tx, cart, order, |items| terms.fingerprint(items)).await?)
            }
            .boxed()
        })
        .await?;
    match claimed {
        Claimed::Items(items) => Ok(items),
        Claimed::KeyUsed => Err(ApiError::KeyReused),
        Claimed::NothingInIt => Err(ApiError::CartEmpty),
        Claimed::AskedForBy(order) => Err(ApiError::CheckoutOpen(order)),
        Claimed::TooManyOpen => Err(ApiError::TooMany(Excess::Checkouts, ROOM_AGAIN)),
    }
}

/// Takes what was held out of the cart. The order is decided and its answer good whatever comes of this: whoever uses the cart next
/// does the same.
async fn settle(app: &App, customer: CustomerId) {
    let settled = app
        .write(move |tx| {
            async move {
                if let Some(cart) = carts::lock(tx, &CartOwner::Customer(customer)).await? {
                    carts::settle(tx, cart).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await;
    if let Err(error) = settled {
        warn!(%error, "a cart is settled later");
    }
}

//! `/v1/cart`: what somebody means to buy, be it a customer or a guest. What puts in or takes out names one SKU, so that two tabs
//! of a browser never lose each other's; emptying the cart and moving it to a customer is about all that is in it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use futures_util::FutureExt as _;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::ids::SkuCode;
use crate::domain::items::{Quantity, RequestedItem};
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::body;
use crate::http::cart_views::{CartView, GuestView, MergedView};
use crate::http::error::ApiError;
use crate::http::shopper::{Anybody, GuestOf, Shopper, new_secret};
use crate::http::views::Problem;
use crate::store::carts::{self, CartOwner, merge, shown};
use crate::store::stock::skus;

/// No cache may show one buyer's cart to the next.
pub(super) const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

type Answer<V> = Result<([(HeaderName, &'static str); 1], Json<V>), ApiError>;

/// Become a guest: get a secret by which a cart is known
///
/// Nothing is stored before something is put into that cart; after 14 days without use it is gone.
#[utoipa::path(
    post, path = "/v1/cart/guests", tag = "cart", security(()),
    responses((status = 201, description = "A new guest", body = GuestView))
)]
pub async fn become_guest(_: Anybody) -> (StatusCode, [(HeaderName, &'static str); 1], Json<GuestView>) {
    (StatusCode::CREATED, NO_STORE, Json(GuestView { guest: new_secret() }))
}

/// Read the cart, with what it costs and how many there are now
#[utoipa::path(
    get, path = "/v1/cart", tag = "cart", security(("token" = []), ("guest" = [])),
    params(
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
        ("Holdfast-Guest" = Option<String>, Header, description = "The secret of a guest"),
    ),
    responses((status = 200, description = "The cart; an empty one if nothing was ever put in", body = CartView))
)]
pub async fn read(State(app): State<App>, shopper: Shopper) -> Answer<CartView> {
    let turn = shopper.turn(&app).await?;
    let cart = app.read(async |conn| shown::read(conn, &shopper.owner).await).await?;
    drop(turn);
    if !cart.is_behind {
        return Ok((NO_STORE, Json(cart.into())));
    }
    change(&app, shopper, Change::Nothing).await
}

/// How many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutItem {
    /// Units.
    #[schema(minimum = 1, maximum = 1000)]
    quantity: i64,
}

impl PutItem {
    fn item(self, sku: String) -> Result<RequestedItem, ApiError> {
        Ok(RequestedItem { sku: SkuCode::parse(sku)?, quantity: Quantity::parse(self.quantity)? })
    }
}

/// Put a SKU into the cart, or change how many of it are in there
///
/// Other SKUs are left alone. What is in the cart already keeps the price at which it was put in, so that a change is told.
#[utoipa::path(
    put, path = "/v1/cart/items/{sku}", tag = "cart", security(("token" = []), ("guest" = [])),
    params(
        ("sku" = String, Path),
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
        ("Holdfast-Guest" = Option<String>, Header, description = "The secret of a guest"),
    ),
    request_body = PutItem,
    responses(
        (status = 200, description = "The cart as it is now", body = CartView),
        (status = 404, description = "The catalogue shows buyers no such SKU", body = Problem),
        (status = 409, description = "The cart has 50 different SKUs already", body = Problem),
    )
)]
pub async fn put(
    State(app): State<App>,
    shopper: Shopper,
    Path(sku): Path<String>,
    body::Json(request): body::Json<PutItem>,
) -> Answer<CartView> {
    put_in(&app, shopper, request.item(sku)?, Units::InAll).await
}

/// Put more of a SKU into the cart
///
/// The same as to put in as many as there are and so many more, in one step: of two who do it at once neither is lost. Who does not
/// hear the answer looks at the cart before they repeat it.
#[utoipa::path(
    post, path = "/v1/cart/items/{sku}", tag = "cart", security(("token" = []), ("guest" = [])),
    params(
        ("sku" = String, Path),
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
        ("Holdfast-Guest" = Option<String>, Header, description = "The secret of a guest"),
    ),
    request_body = PutItem,
    responses(
        (status = 200, description = "The cart as it is now", body = CartView),
        (status = 404, description = "The catalogue shows buyers no such SKU", body = Problem),
        (status = 409, description = "The cart has 50 different SKUs already", body = Problem),
        (status = 422, description = "It would be more than 1,000", body = Problem),
    )
)]
pub async fn add(
    State(app): State<App>,
    shopper: Shopper,
    Path(sku): Path<String>,
    body::Json(request): body::Json<PutItem>,
) -> Answer<CartView> {
    put_in(&app, shopper, request.item(sku)?, Units::More).await
}

/// What the units of a [`PutItem`] are.
enum Units {
    InAll,
    More,
}

async fn put_in(app: &App, shopper: Shopper, item: RequestedItem, units: Units) -> Answer<CartView> {
    let turn = shopper.turn(app).await?;
    let (stranger, rates) = (shopper.stranger(), app.rates.clone());
    let cart = app
        .write(move |tx| {
            async move {
                // It lasts as long as the work, also if the caller hangs up.
                let _turn = turn;
                let unit_amount = skus::unit_amount_for_buyers(tx, &item.sku).await?;
                let no_such = || ApiError::NoSuch("the catalogue knows no such SKU".to_owned());
                let unit_amount = unit_amount.ok_or_else(no_such)?;
                let cart = carts::open(tx, &shopper.owner, stranger.is_some()).await?;
                if cart.is_new
                    && let Some(from) = stranger
                {
                    rates.guests().begin_cart(from)?;
                }
                carts::settle(tx, cart.id).await?;
                let there = carts::items(tx, cart.id).await?;
                if !there.has_room_for(&item.sku) {
                    return Err(ApiError::CartFull);
                }
                let before = match units {
                    Units::InAll => 0,
                    Units::More => there.quantity(&item.sku).map_or(0, Quantity::units),
                };
                let quantity = Quantity::parse(i64::from(before) + i64::from(item.quantity.units()))?;
                carts::put(tx, cart.id, &RequestedItem { quantity, ..item }, unit_amount).await?;
                Ok(shown::read(tx, &shopper.owner).await?)
            }
            .boxed()
        })
        .await?;
    Ok((NO_STORE, Json(cart.into())))
}

/// Take a SKU out of the cart
///
/// Other SKUs are left alone; one that is not in there is no error.
#[utoipa::path(
    delete, path = "/v1/cart/items/{sku}", tag = "cart", security(("token" = []), ("guest" = [])),
    params(
        ("sku" = String, Path),
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
        ("Holdfast-Guest" = Option<String>, Header, description = "The secret of a guest"),
    ),
    responses((status = 200, description = "The cart as it is now", body = CartView))
)]
pub async fn remove(State(app): State<App>, shopper: Shopper, Path(sku): Path<String>) -> Answer<CartView> {
    change(&app, shopper, Change::Remove(SkuCode::parse(sku)?)).await
}

/// Empty the cart
#[utoipa::path(
    delete, path = "/v1/cart", tag = "cart", security(("token" = []), ("guest" = [])),
    params(
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
        ("Holdfast-Guest" = Option<String>, Header, description = "The secret of a guest"),
    ),
    responses((status = 200, description = "The cart, empty", body = CartView))
)]
pub async fn clear(State(app): State<App>, shopper: Shopper) -> Answer<CartView> {
    change(&app, shopper, Change::Clear).await
}

/// What is done to a cart that may not be there.
enum Change {
    Nothing,
    Remove(SkuCode),
    Clear,
}

/// Settles a cart and changes it, if there is one.
async fn change(app: &App, shopper: Shopper, change: Change) -> Answer<CartView> {
    let turn = shopper.turn(app).await?;
    let owner = shopper.owner;
    let cart = app
        .write(move |tx| {
            async move {
                let _turn = turn;
                if let Some(cart) = carts::lock(tx, &owner).await? {
                    carts::settle(tx, cart).await?;
                    match &change {
                        Change::Nothing => {}
                        Change::Remove(sku) => carts::take_out(tx, cart, Some(sku)).await?,
                        Change::Clear => carts::take_out(tx, cart, None).await?,
                    }
                }
                Ok(shown::read(tx, &owner).await?)
            }
            .boxed()
        })
        .await?;
    Ok((NO_STORE, Json(cart.into())))
}

/// Move a guest's cart into the customer's, once they have signed in
///
/// Units of a SKU that is in both are summed, to at most 1,000, and no more than 50 SKUs come together; what does not fit is told
/// and stays in the guest's cart, so that it can be moved later. If all of it fits the guest's cart is gone; nothing is moved twice.
#[utoipa::path(
    post, path = "/v1/cart/merge", tag = "cart",
    params(
        ("Holdfast-Guest" = String, Header, description = "The secret of the guest they were"),
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
    ),
    responses((status = 200, description = "The customer's cart as it is now", body = MergedView))
)]
pub async fn merge_guests(
    State(app): State<App>,
    Buyer(customer): Buyer,
    GuestOf(guest): GuestOf,
) -> Answer<MergedView> {
    let customer = CartOwner::Customer(customer);
    let merged = app
        .write(move |tx| {
            async move {
                let left_out = merge::merge(tx, &customer, &guest).await?;
                Ok((shown::read(tx, &customer).await?, left_out))
            }
            .boxed()
        })
        .await?;
    let (cart, left_out) = (merged.0.into(), merged.1.iter().map(Into::into).collect());
    Ok((NO_STORE, Json(MergedView { cart, left_out })))
}

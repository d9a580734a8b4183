//! `/v1/skus`: make, replace, change and read what is sold, straight in the database.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use serde::{Deserialize, Deserializer};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::Invalid;
use crate::domain::ids::{IdempotencyKey, ProductName, SkuCode};
use crate::domain::items::MAX_ON_HAND;
use crate::domain::money::{DiscountRatio, Won};
use crate::domain::sku::SkuChange;
use crate::http::app::App;
use crate::http::auth::Shopkeeper;
use crate::http::began;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::etag::{self, ETag, IfMatch, IfNoneMatch};
use crate::http::tokens::Caller;
use crate::http::views::{Problem, SkuView};
use crate::store::corrections::{Correction, Note, correct};
use crate::store::stock::for_buyers;
use crate::store::stock::skus::{self, LockedSku, SkuRow};

/// Nobody shows an older answer than the one just given: units come and go.
const ASK_AGAIN: &str = "private, no-cache";
/// What a movement says that a shop has not explained.
const ON_HAND_WAS_SET: &str = "on_hand was set";

/// A SKU as a shop defines it. What is absent has its default; where that would lose what stands there, it must be named.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSku {
    /// The product's name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The price of one unit, in whole won.
    #[schema(minimum = 0)]
    price_won: i64,
    /// Units owned, absolute; absent leaves them as they are. To change them it takes `If-Match`.
    #[schema(minimum = 0, maximum = 1000000000)]
    on_hand: Option<i64>,
    /// What is taken off, from 0 to 1; 0 when absent or null.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    discount_ratio: Option<Option<f64>>,
    /// Units one customer may have, bought ones included; when absent or null, the configured limit on holds.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    max_per_customer: Option<Option<i64>>,
    /// False: it is not sold, and what is on hold goes on; true when absent.
    is_active: Option<bool>,
    /// It is not sold before.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    sale_from: Option<Option<DateTime<Utc>>>,
    /// It is not sold from this instant on.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    sale_until: Option<Option<DateTime<Utc>>>,
}

/// Changes of a SKU, as a merge patch (RFC 7396): what is named is changed, and null takes it away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchSku {
    /// The product's name, which cannot be taken away.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Option<Option<String>>,
    /// The price of one unit, in whole won, which cannot be taken away.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = i64, required = false, minimum = 0)]
    price_won: Option<Option<i64>>,
    /// Units owned, absolute. To change them it takes `If-Match`; a receipt does not.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 1000000000)]
    on_hand: Option<Option<i64>>,
    /// What is taken off, from 0 to 1.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    discount_ratio: Option<Option<f64>>,
    /// Units one customer may have, bought ones included; null for the configured limit on holds.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    max_per_customer: Option<Option<i64>>,
    /// False: it is not sold, and what is on hold goes on; null is true.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<bool>)]
    is_active: Option<Option<bool>>,
    /// It is not sold before.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    sale_from: Option<Option<DateTime<Utc>>>,
    /// It is not sold from this instant on.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    sale_until: Option<Option<DateTime<Utc>>>,
}

/// Reads a field that is there, null or not: `default` is for one that is not.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

impl PutSku {
    fn parse(self) -> Result<(ProductName, Won, SkuChange, Option<i64>), ApiError> {
        let (name, price) = (ProductName::parse(self.name)?, Won::parse("price_won", self.price_won)?);
        let change = SkuChange {
            name: Some(name.clone()),
            price: Some(price),
            discount: self.discount_ratio.map(discount).transpose()?,
            max_per_customer: self.max_per_customer.map(limit).transpose()?,
            is_active: self.is_active,
            sale_from: self.sale_from,
            sale_until: self.sale_until,
        };
        Ok((name, price, change, self.on_hand))
    }
}

impl PatchSku {
    fn parse(self) -> Result<(SkuChange, Option<i64>), ApiError> {
        let change = SkuChange {
            name: there("name", self.name)?.map(ProductName::parse).transpose()?,
            price: there("price_won", self.price_won)?.map(|won| Won::parse("price_won", won)).transpose()?,
            discount: self.discount_ratio.map(discount).transpose()?,
            max_per_customer: self.max_per_customer.map(limit).transpose()?,
            is_active: self.is_active.map(|is_active| is_active.unwrap_or(true)),
            sale_from: self.sale_from,
            sale_until: self.sale_until,
        };
        Ok((change, there("on_hand", self.on_hand)?))
    }
}

fn discount(ratio: Option<f64>) -> Result<DiscountRatio, Invalid> {
    DiscountRatio::parse(ratio.unwrap_or_default())
}

/// A field that may be left alone, and cannot be taken away.
fn there<T>(field: &str, value: Option<Option<T>>) -> Result<Option<T>, ApiError> {
    match value {
        Some(None) => Err(ApiError::Unprocessable(format!("{field} must not be null"))),
        value => Ok(value.flatten()),
    }
}

/// A limit of units per customer, or none.
fn limit(units: Option<i64>) -> Result<Option<i32>, ApiError> {
    let parse =
        |units: i64| i32::try_from(units).ok().filter(|units| (1..=MAX_ON_HAND as i32).contains(units));
    let rule = || {
        ApiError::Unprocessable("max_per_customer must be a whole number from 1 to 1,000,000,000".to_owned())
    };
    units.map(|units| parse(units).ok_or_else(rule)).transpose()
}

/// Create or replace a SKU
#[utoipa::path(
    put, path = "/v1/skus/{sku}", tag = "catalogue",
    params(
        ("sku" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Only if it is as you have read it; needed to change `on_hand`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none"),
    ),
    request_body = PutSku,
    responses(
        (status = 201, description = "Created", body = SkuView),
        (status = 200, description = "Replaced", body = SkuView),
        (status = 409, description = "More units are on hold than would be owned", body = Problem),
        (status = 412, description = "It is not as you have read it", body = Problem),
        (status = 422, description = "A rule is broken, or something would be lost that is not named", body = Problem),
        (status = 428, description = "`on_hand` is only changed by who has read it", body = Problem),
    )
)]
pub async fn put(
    State(app): State<App>,
    shop: Shopkeeper,
    Path(code): Path<String>,
    if_match: IfMatch,
    if_none_match: IfNoneMatch,
    body::Json(request): body::Json<PutSku>,
) -> Result<Response, ApiError> {
    let code = SkuCode::parse(code)?;
    let (name, price, change, on_hand) = request.parse()?;
    let work = async move |tx: &mut PgConnection| {
        if if_match.check(None).is_ok() {
            let new = change.clone().begin(code.clone(), name, price)?;
            if skus::create(tx, &new).await? {
                set_units(tx, &shop, &code, on_hand.filter(|units| *units != 0)).await?;
                return answer(tx, &code, StatusCode::CREATED).await;
            }
        }
        let there = skus::lock(tx, &code).await?;
        if if_none_match.asks_for_nothing_there() && there.is_some() {
            return Err(ApiError::PreconditionFailed);
        }
        let there = as_read(there, &if_match)?.ok_or(ApiError::Internal)?;
        let lost = change.would_lose(&there.definition);
        if !lost.is_empty() {
            let lost = lost.join(", ");
            let detail = format!("a PUT replaces what it does not name: name {lost} too, or send a PATCH");
            return Err(ApiError::Unprocessable(detail));
        }
        write(tx, &shop, there, change, (on_hand, &if_match)).await?;
        answer(tx, &code, StatusCode::OK).await
    };
    app.write(move |tx| work(tx).boxed()).await
}

/// Change a SKU
#[utoipa::path(
    patch, path = "/v1/skus/{sku}", tag = "catalogue",
    params(
        ("sku" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Only if it is as you have read it; needed to change `on_hand`"),
    ),
    request_body(content = PatchSku, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "Changed", body = SkuView),
        (status = 404, description = "No such SKU", body = Problem),
        (status = 409, description = "More units are on hold than would be owned", body = Problem),
        (status = 412, description = "It is not as you have read it", body = Problem),
        (status = 428, description = "`on_hand` is only changed by who has read it", body = Problem),
    )
)]
pub async fn patch(
    State(app): State<App>,
    shop: Shopkeeper,
    Path(code): Path<String>,
    if_match: IfMatch,
    body::Json(request): body::Json<PatchSku>,
) -> Result<Response, ApiError> {
    let code = SkuCode::parse(code).map_err(|_| ApiError::NotFound)?;
    let (change, on_hand) = request.parse()?;
    let work = async move |tx: &mut PgConnection| {
        let there = as_read(skus::lock(tx, &code).await?, &if_match)?.ok_or(ApiError::NotFound)?;
        write(tx, &shop, there, change, (on_hand, &if_match)).await?;
        answer(tx, &code, StatusCode::OK).await
    };
    app.write(move |tx| work(tx).boxed()).await
}

/// The SKU, if it is as the caller has read it.
fn as_read(there: Option<LockedSku>, if_match: &IfMatch) -> Result<Option<LockedSku>, ApiError> {
    let edition = there.as_ref().map(|sku| sku.definition.edition(sku.on_hand));
    if_match.check_version(edition)?;
    Ok(there)
}

/// Changes a locked SKU, and how many units there are of it.
async fn write(
    tx: &mut PgConnection,
    shop: &Shopkeeper,
    sku: LockedSku,
    change: SkuChange,
    (on_hand, if_match): (Option<i64>, &IfMatch),
) -> Result<(), ApiError> {
    let on_hand = on_hand.filter(|units| *units != i64::from(sku.on_hand));
    if on_hand.is_some() && !if_match.is_there() {
        return Err(ApiError::PreconditionRequired);
    }
    let code = sku.definition.code.clone();
    let changed = change.apply(sku.definition)?;
    skus::update(tx, sku.id, &changed).await?;
    set_units(tx, shop, &code, on_hand).await
}

/// From now on there are so many units, if the caller says how many.
async fn set_units(
    tx: &mut PgConnection,
    shop: &Shopkeeper,
    code: &SkuCode,
    on_hand: Option<i64>,
) -> Result<(), ApiError> {
    let Some(units) = on_hand else { return Ok(()) };
    let key = IdempotencyKey::parse(Uuid::now_v7().to_string())?;
    let note = Note { actor: &shop.name, text: ON_HAND_WAS_SET };
    began::note(correct(tx, code, (&key, Correction::Set(units)), note).await?.served);
    Ok(())
}

async fn answer(tx: &mut PgConnection, code: &SkuCode, status: StatusCode) -> Result<Response, ApiError> {
    let (tag, view) = tagged(skus::find(tx, code).await?.ok_or(ApiError::Internal)?);
    Ok((status, [(header::ETAG, tag.header())], Json(view)).into_response())
}

/// A SKU with its tag: of its edition, for who replaces it, and of all that it shows, for who reads it again.
fn tagged(row: SkuRow) -> (ETag, SkuView) {
    let edition = row.definition.edition(row.on_hand);
    let view = SkuView::from(row);
    (ETag::of_version_and_view(edition, &view), view)
}

/// Read a SKU
#[utoipa::path(
    get, path = "/v1/skus/{sku}", tag = "catalogue",
    params(
        ("sku" = String, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the answer you have"),
    ),
    responses(
        (status = 200, description = "The SKU and its stock", body = SkuView),
        (status = 304, description = "It is as you have read it"),
        (status = 404, description = "No such SKU, or none that buyers see", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    Path(code): Path<String>,
    if_none_match: IfNoneMatch,
) -> Result<Response, ApiError> {
    let code = SkuCode::parse(code).map_err(|_| ApiError::NotFound)?;
    let find =
        async |conn: &mut PgConnection| match caller.is_buyer() && !for_buyers::is_seen(conn, &code).await? {
            true => Ok::<_, sqlx::Error>(None),
            false => skus::find(conn, &code).await,
        };
    let row = app.read(find).await?;
    let (tag, view) = tagged(row.ok_or(ApiError::NotFound)?);
    Ok(etag::answer(&if_none_match, &tag, ASK_AGAIN, Json(view)))
}

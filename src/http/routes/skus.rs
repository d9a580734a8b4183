//! `/v1/skus`: make, change and read what is sold, straight in the database.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use futures_util::FutureExt as _;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::ids::{ProductName, SkuCode};
use crate::domain::items::MAX_ON_HAND;
use crate::domain::money::{DiscountRatio, Won};
use crate::http::app::App;
use crate::http::auth::Shopkeeper;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::tokens::Caller;
use crate::http::views::{Problem, SkuView};
use crate::store::stock::skus::{self, Put, SkuDefinition};

/// A SKU as a shop defines it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSku {
    /// The product's name.
    name: String,
    /// The price of one unit, in whole won.
    #[schema(minimum = 0)]
    price_won: i64,
    /// Units owned, absolute; absent leaves them as they are.
    #[schema(minimum = 0, maximum = 1000000000)]
    on_hand: Option<i64>,
    /// What is taken off, from 0 to 1; absent is 0.
    #[schema(minimum = 0, maximum = 1)]
    discount_ratio: Option<f64>,
    /// Units one customer may have, bought ones included; absent leaves the configured limit on holds.
    #[schema(minimum = 1)]
    max_per_customer: Option<i64>,
}

impl PutSku {
    fn parse(self, code: SkuCode) -> Result<SkuDefinition, ApiError> {
        let within = |value: Option<i64>, least: i64, what: &str| match value {
            Some(value) if !(least..=MAX_ON_HAND).contains(&value) => Err(ApiError::Unprocessable(format!(
                "{what} must be a whole number from {least} to 1,000,000,000"
            ))),
            value => Ok(value.and_then(|value| i32::try_from(value).ok())),
        };
        Ok(SkuDefinition {
            code,
            name: ProductName::parse(self.name)?,
            price: Won::parse("price_won", self.price_won)?,
            discount: self.discount_ratio.map_or(Ok(DiscountRatio::default()), DiscountRatio::parse)?,
            max_per_customer: within(self.max_per_customer, 1, "max_per_customer")?,
            on_hand: within(self.on_hand, 0, "on_hand")?,
        })
    }
}

/// Create or change a SKU
#[utoipa::path(
    put, path = "/v1/skus/{sku}", tag = "catalogue", params(("sku" = String, Path)), request_body = PutSku,
    responses(
        (status = 201, description = "Created", body = SkuView),
        (status = 200, description = "Changed", body = SkuView),
        (status = 409, description = "More units are on hold than would be owned", body = Problem),
    )
)]
pub async fn put(
    State(app): State<App>,
    _: Shopkeeper,
    Path(code): Path<String>,
    body::Json(request): body::Json<PutSku>,
) -> Result<(StatusCode, Json<SkuView>), ApiError> {
    let definition = request.parse(SkuCode::parse(code)?)?;
    let (put, row) = app
        .write(move |tx| {
            async move {
                let put = skus::put(tx, &definition).await?;
                if let Put::BelowReserved { reserved } = put {
                    return Err(ApiError::BelowReserved { reserved });
                }
                Ok((put, skus::find(tx, &definition.code).await?))
            }
            .boxed()
        })
        .await?;
    let status = if put == Put::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(row.ok_or(ApiError::Internal)?.into())))
}

/// Read a SKU
#[utoipa::path(
    get, path = "/v1/skus/{sku}", tag = "catalogue", params(("sku" = String, Path)),
    responses(
        (status = 200, description = "The SKU and its stock", body = SkuView),
        (status = 404, description = "No such SKU", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    _: Caller,
    Path(code): Path<String>,
) -> Result<Json<SkuView>, ApiError> {
    let code = SkuCode::parse(code).map_err(|_| ApiError::NotFound)?;
    let row = app.read(async |conn| skus::find(conn, &code).await).await?;
    Ok(Json(row.ok_or(ApiError::NotFound)?.into()))
}

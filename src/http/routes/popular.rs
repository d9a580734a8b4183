//! `/v1/popular`: what is sold most.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::tokens::Caller;
use crate::store::stock::sales::{self, Sold};

const DEFAULT_DAYS: i32 = 3;
const MAX_DAYS: i32 = 31;
const DEFAULT_LIMIT: i64 = 5;
const MAX_LIMIT: i64 = 100;

/// Which SKUs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PopularQuery {
    /// The last days, today included, 1 to 31; 3 if absent
    days: Option<i32>,
    /// SKUs on the list, 1 to 100; 5 if absent
    limit: Option<i64>,
}

/// What is sold most.
#[derive(Debug, Serialize, ToSchema)]
pub struct PopularView {
    /// Most units first.
    pub skus: Vec<SoldView>,
}

/// A SKU and what was sold of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SoldView {
    /// The SKU's code.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// Units sold, less those refunded.
    pub units: i64,
}

impl From<Sold> for SoldView {
    fn from(sold: Sold) -> Self {
        Self { sku: sold.sku, name: sold.name, units: sold.units }
    }
}

/// List what is sold most
#[utoipa::path(
    get, path = "/v1/popular", tag = "catalogue", params(PopularQuery),
    responses((status = 200, description = "The SKUs of which most units were sold", body = PopularView))
)]
pub async fn list(
    State(app): State<App>,
    _: Caller,
    Query(query): Query<PopularQuery>,
) -> Result<Json<PopularView>, ApiError> {
    let (days, limit) = (query.days.unwrap_or(DEFAULT_DAYS), query.limit.unwrap_or(DEFAULT_LIMIT));
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::Unprocessable(format!("days must be from 1 to {MAX_DAYS}")));
    }
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::Unprocessable(format!("limit must be from 1 to {MAX_LIMIT}")));
    }
    let sold = app.read(async |conn| sales::popular(conn, days, limit, app.time_zone).await).await?;
    Ok(Json(PopularView { skus: sold.into_iter().map(SoldView::from).collect() }))
}

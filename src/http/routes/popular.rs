//! `/v1/popular` and `/v1/products/popular`: what is sold most, by SKU and by product.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::SkuId;
use crate::http::app::App;
use crate::http::browsing::Anyone;
use crate::http::error::ApiError;
use crate::http::etag::{self, ETag, IfNoneMatch};
use crate::http::product_views::ProductSummary;
use crate::http::query::Query;
use crate::http::tokens::Caller;
use crate::http::views::is_false;
use crate::store::catalogue::{lists, shown};
use crate::store::stock::available;
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
///
/// A customer sees what is not off sale, and whose product, if it has one, is shown.
#[utoipa::path(
    get, path = "/v1/popular", tag = "catalogue", params(PopularQuery),
    responses((status = 200, description = "The SKUs of which most units were sold", body = PopularView))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<PopularQuery>,
) -> Result<Json<PopularView>, ApiError> {
    let (days, limit) = bounded(query.days, query.limit)?;
    let for_buyers = caller.is_buyer();
    let popular =
        async |conn: &mut PgConnection| sales::popular(conn, days, limit, for_buyers, app.time_zone).await;
    let sold = app.read(popular).await?;
    Ok(Json(PopularView { skus: sold.into_iter().map(SoldView::from).collect() }))
}

/// How many days and how many things, within their bounds.
fn bounded(days: Option<i32>, limit: Option<i64>) -> Result<(i32, i64), ApiError> {
    let (days, limit) = (days.unwrap_or(DEFAULT_DAYS), limit.unwrap_or(DEFAULT_LIMIT));
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::Unprocessable(format!("days must be from 1 to {MAX_DAYS}")));
    }
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::Unprocessable(format!("limit must be from 1 to {MAX_LIMIT}")));
    }
    Ok((days, limit))
}

/// What makes a product popular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PopularBy {
    /// Units sold, less those refunded.
    #[default]
    Net,
    /// Units sold, whatever came back.
    Gross,
}

/// Which products to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PopularProductsQuery {
    /// The last days, today included, 1 to 31; 3 if absent
    days: Option<i32>,
    /// Products on the list, 1 to 100; 5 if absent
    limit: Option<i64>,
    /// net or gross; net if absent
    #[param(inline)]
    by: Option<PopularBy>,
}

/// Products of which most is sold.
#[derive(Debug, Serialize, ToSchema)]
pub struct PopularProducts {
    /// Most units first.
    pub products: Vec<PopularProduct>,
}

/// A product and what was sold of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PopularProduct {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: ProductSummary,
    /// Units sold, less those refunded.
    pub units: i64,
    /// Units sold, whatever came back.
    pub gross_units: i64,
    /// True if there may have been more: some of the days are from before it was counted what came back.
    #[serde(skip_serializing_if = "is_false")]
    pub gross_is_at_least: bool,
}

/// List the products of which most is sold
///
/// Those that buyers see. A SKU that belongs to no product is on the list of SKUs only.
#[utoipa::path(
    get, path = "/v1/products/popular", tag = "catalogue", params(PopularProductsQuery), security((), ("token" = [])),
    operation_id = "list_popular_products",
    responses((status = 200, description = "The products of which most units were sold", body = PopularProducts))
)]
pub async fn products(
    State(app): State<App>,
    anyone: Anyone,
    has_it: IfNoneMatch,
    Query(query): Query<PopularProductsQuery>,
) -> Result<Response, ApiError> {
    let (days, limit) = bounded(query.days, query.limit)?;
    let turn = anyone.turn(&app).await?;
    let by_gross = query.by.unwrap_or_default() == PopularBy::Gross;
    let popular = app
        .read(async |conn| {
            let mut look = lists::begin(conn).await?;
            let sold = sales::popular_products(&mut look, days, limit, by_gross, app.time_zone).await?;
            let ids: Vec<i64> = sold.iter().map(|sold| sold.product_id).collect();
            let shown = shown::page(&mut look, &ids).await?;
            let skus: Vec<SkuId> = shown.iter().flat_map(|product| product.offered.clone()).collect();
            let available = available::of(&mut look, &skus).await?;
            look.rollback().await?;
            let products = shown.into_iter().zip(sold).map(|(summary, sold)| PopularProduct {
                summary: ProductSummary::new(summary, &available),
                units: sold.units,
                gross_units: sold.gross_units,
                gross_is_at_least: sold.gross_is_at_least,
            });
            Ok::<_, ApiError>(PopularProducts { products: products.collect() })
        })
        .await?;
    drop(turn);
    Ok(etag::answer(&has_it, &ETag::of_view(&popular), anyone.cache_control(), Json(popular)))
}

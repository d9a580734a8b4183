//! `/v1/ops/stock`: list, read, receive and adjust.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::{SkuDetail, StockPage};
use super::{MovementsFrom, StockFilter};
use crate::domain::ids::{IdempotencyKey, SkuCode};
use crate::domain::reason::Reason;
use crate::http::app::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::headers::{OptionalKey, RequiredKey};
use crate::http::query::Query;
use crate::http::views::Problem;
use crate::ops::desk::Desk;
use crate::ops::rights::Viewer;
use crate::store::corrections::Correction;

/// List SKUs with their stock
#[utoipa::path(
    get, path = "/v1/ops/stock", tag = "operators", operation_id = "ops_list_stock", params(StockFilter),
    responses((status = 200, description = "A page of up to 100 SKUs", body = StockPage))
)]
pub async fn list(
    State(app): State<App>,
    _: Viewer,
    Query(filter): Query<StockFilter>,
) -> Result<Json<StockPage>, ApiError> {
    Ok(Json(find(&app, &filter).await?))
}

/// A page of SKUs.
pub(super) async fn find(app: &App, filter: &StockFilter) -> Result<StockPage, ApiError> {
    app.read(async |conn| super::list(conn, filter).await).await
}

/// A SKU with its holds and movements.
pub(super) async fn find_one(app: &App, code: &SkuCode, from: MovementsFrom) -> Result<SkuDetail, ApiError> {
    let time_zone = app.time_zone;
    app.read(async |conn| super::show(conn, code, from, time_zone).await).await
}

/// Which movements to show.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MovementQuery {
    /// The `next` of the page before
    pub before: Option<String>,
}

/// Read one SKU with its live holds and movements
#[utoipa::path(
    get, path = "/v1/ops/stock/{sku}", tag = "operators", operation_id = "ops_read_stock",
    params(("sku" = String, Path), MovementQuery),
    responses(
        (status = 200, description = "The SKU", body = SkuDetail),
        (status = 404, description = "No such SKU", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    _: Viewer,
    Path(code): Path<String>,
    Query(query): Query<MovementQuery>,
) -> Result<Json<SkuDetail>, ApiError> {
    let from = MovementsFrom::parse(query.before.as_deref())?;
    Ok(Json(find_one(&app, &known(code)?, from).await?))
}

/// Units that came.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsReceive)]
pub struct Receive {
    /// How many.
    #[schema(minimum = 1, maximum = 1000000000)]
    pub units: i64,
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub reason: Reason,
}

/// Receive units of a SKU
#[utoipa::path(
    post, path = "/v1/ops/stock/{sku}/receive", tag = "operators", operation_id = "ops_receive_stock",
    params(
        ("sku" = String, Path),
        ("Idempotency-Key" = String, Header, description = "Repeats of one key receive once"),
    ),
    request_body = Receive,
    responses(
        (status = 200, description = "Received", body = SkuDetail),
        (status = 404, description = "No such SKU", body = Problem),
    )
)]
pub async fn receive(
    State(app): State<App>,
    desk: Desk,
    Path(code): Path<String>,
    RequiredKey(key): RequiredKey,
    body::Json(request): body::Json<Receive>,
) -> Result<Json<SkuDetail>, ApiError> {
    let code = known(code)?;
    desk.correct_stock(code.clone(), (key, Correction::Receive(request.units)), request.reason).await?;
    Ok(Json(find_one(&app, &code, MovementsFrom::default()).await?))
}

/// A correction: either a number that was counted, or a difference.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsAdjust)]
pub struct Adjust {
    /// Units that were counted, those on hold included.
    #[schema(minimum = 0, maximum = 1000000000)]
    pub on_hand: Option<i64>,
    /// Units that are there too many, or missing if the number is negative.
    pub by: Option<i64>,
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub reason: Reason,
}

/// Adjust how many units of a SKU there are
#[utoipa::path(
    post, path = "/v1/ops/stock/{sku}/adjust", tag = "operators", operation_id = "ops_adjust_stock",
    params(
        ("sku" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of one key adjust once; needed with `by`"),
    ),
    request_body = Adjust,
    responses(
        (status = 200, description = "Adjusted", body = SkuDetail),
        (status = 404, description = "No such SKU", body = Problem),
        (status = 409, description = "More units are on hold than there would be", body = Problem),
    )
)]
pub async fn adjust(
    State(app): State<App>,
    desk: Desk,
    Path(code): Path<String>,
    OptionalKey(key): OptionalKey,
    body::Json(request): body::Json<Adjust>,
) -> Result<Json<SkuDetail>, ApiError> {
    let code = known(code)?;
    let (key, correction) = match (request.on_hand, request.by, key) {
        (Some(counted), None, key) => (key.map_or_else(fresh_key, Ok)?, Correction::Count(counted)),
        (None, Some(units), Some(key)) => (key, Correction::By(units)),
        (None, Some(_), None) => return Err(ApiError::BadHeader("Idempotency-Key is required".to_owned())),
        _ => return Err(ApiError::Unprocessable("send either on_hand or by".to_owned())),
    };
    desk.correct_stock(code.clone(), (key, correction), request.reason).await?;
    Ok(Json(find_one(&app, &code, MovementsFrom::default()).await?))
}

pub(super) fn known(code: String) -> Result<SkuCode, ApiError> {
    SkuCode::parse(code).map_err(|_| ApiError::NotFound)
}

fn fresh_key() -> Result<IdempotencyKey, ApiError> {
    Ok(IdempotencyKey::parse(Uuid::now_v7().to_string())?)
}

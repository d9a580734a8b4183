//! `/v1/ops/workers` and `/v1/ops/pools/{pool}/…`.

use axum::extract::{Path, State};
use futures_util::FutureExt as _;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{PoolView, WorkersView};
use crate::http::app::App;
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::ops::rights::{Operator, Viewer};

/// List worker processes and pools
///
/// A process reports every five seconds and counts as alive for twenty.
#[utoipa::path(
    get, path = "/v1/ops/workers", tag = "operators",
    responses((status = 200, description = "Who works", body = WorkersView))
)]
pub async fn list(State(app): State<App>, _: Viewer) -> Result<axum::Json<WorkersView>, ApiError> {
    Ok(axum::Json(app.read(super::list).await?))
}

/// Why a pool is paused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// For whoever wonders later, 1 to 500 characters
    reason: String,
}

/// Why a pool goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    /// If there is something to say
    reason: Option<String>,
}

/// Pause a pool
///
/// Its runners finish the batch they have, give back what they took ahead, and take nothing until the pool is resumed,
/// restarts included. A pool that is paused already stays so, for its first reason.
#[utoipa::path(
    post, path = "/v1/ops/pools/{pool}/pause", tag = "operators",
    params(("pool" = String, Path, description = "Its name, such as `payment.confirm`")),
    request_body = PauseRequest,
    responses((status = 200, description = "The pool is paused", body = PoolView))
)]
pub async fn pause(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(pool): Path<String>,
    Json(request): Json<PauseRequest>,
) -> Result<axum::Json<PoolView>, ApiError> {
    let paused = app.write(move |conn| {
        async move { Ok(super::pause(conn, &pool, &request.reason, &actor.name).await?) }.boxed()
    });
    Ok(axum::Json(paused.await?))
}

/// Resume a pool
///
/// One that is not paused stays as it is.
#[utoipa::path(
    post, path = "/v1/ops/pools/{pool}/resume", tag = "operators",
    params(("pool" = String, Path, description = "Its name, such as `payment.confirm`")),
    request_body = ResumeRequest,
    responses((status = 200, description = "The pool is not paused", body = PoolView))
)]
pub async fn resume(
    State(app): State<App>,
    Operator(actor): Operator,
    Path(pool): Path<String>,
    Json(request): Json<ResumeRequest>,
) -> Result<axum::Json<PoolView>, ApiError> {
    let resumed = app.write(move |conn| {
        async move { Ok(super::resume(conn, &pool, request.reason.as_deref(), &actor.name).await?) }.boxed()
    });
    Ok(axum::Json(resumed.await?))
}

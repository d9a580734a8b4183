//! `/v1/ops/workers` and `/v1/ops/pools/{pool}/…`.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PoolView, WorkersView};
use crate::domain::reason::{self, Reason};
use crate::http::app::App;
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::ops::desk::Desk;
use crate::ops::rights::Viewer;

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
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// For whoever wonders later
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub reason: Reason,
}

/// Why a pool goes on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    /// If there is something to say
    #[serde(default, deserialize_with = "reason::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub reason: Option<Reason>,
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
    desk: Desk,
    Path(pool): Path<String>,
    Json(request): Json<PauseRequest>,
) -> Result<axum::Json<PoolView>, ApiError> {
    Ok(axum::Json(desk.pause_pool(pool, request.reason).await?))
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
    desk: Desk,
    Path(pool): Path<String>,
    Json(request): Json<ResumeRequest>,
) -> Result<axum::Json<PoolView>, ApiError> {
    Ok(axum::Json(desk.resume_pool(pool, request.reason).await?))
}

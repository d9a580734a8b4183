//! `/v1/ops/replays`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::DEFAULT_RATE;
use crate::http::app::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::ops::dead_letters::request::{AskedLetters, DryRun};
use crate::ops::desk::Desk;
use crate::ops::rights::Viewer;
use crate::store::dead_letters::replays::{ItemFilter, Replay, ReplayItem, ReplayOutcome};

/// Which replays.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReplayQuery {
    /// Those before this one: the next page
    pub before: Option<Uuid>,
}

/// Replays, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReplayList {
    /// At most 100.
    pub replays: Vec<Replay>,
    /// The next page begins with `before` = this; absent on the last one.
    pub next_before: Option<Uuid>,
}

/// Replay dead letters: the set is frozen now, workers send it
#[utoipa::path(
    post, path = "/v1/ops/replays", tag = "operators", request_body = AskedLetters,
    operation_id = "start_replay",
    responses(
        (status = 202, description = "It has begun", body = Replay),
        (status = 200, description = "With `dry_run`: how many would be sent", body = DryRun)
    )
)]
pub async fn start(
    State(app): State<App>,
    desk: Desk,
    body::Json(asked): body::Json<AskedLetters>,
) -> Result<Response, ApiError> {
    let selection = asked.selection()?;
    if asked.dry_run {
        let would_change = app.read(async |conn| super::preview(conn, &selection).await).await?;
        return Ok(Json(DryRun { would_change }).into_response());
    }
    let rate = asked.rate_per_second.unwrap_or(DEFAULT_RATE);
    let replay = desk.start_replay(selection, rate, asked.reason).await?;
    Ok((StatusCode::ACCEPTED, Json(replay)).into_response())
}

/// List replays
#[utoipa::path(
    get, path = "/v1/ops/replays", tag = "operators", params(ReplayQuery), operation_id = "list_replays",
    responses((status = 200, description = "A page of at most 100 replays", body = ReplayList))
)]
pub async fn list(
    State(app): State<App>,
    _: Viewer,
    Query(query): Query<ReplayQuery>,
) -> Result<Json<ReplayList>, ApiError> {
    let (replays, next_before) = app.read(async |conn| super::list(conn, query.before).await).await?;
    Ok(Json(ReplayList { replays, next_before }))
}

/// Read how far a replay has come
#[utoipa::path(
    get, path = "/v1/ops/replays/{id}", tag = "operators", params(("id" = Uuid, Path)),
    operation_id = "read_replay",
    responses((status = 200, description = "The replay", body = Replay))
)]
pub async fn read(
    State(app): State<App>,
    _: Viewer,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Replay>, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    Ok(Json(find(&app, id).await?))
}

/// One replay for a handler.
pub(super) async fn find(app: &App, id: Uuid) -> Result<Replay, ApiError> {
    let reading = async move |conn: &mut sqlx::PgConnection| super::show(conn, id).await;
    app.read(reading).await
}

/// Which items of a replay.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct ItemQuery {
    /// Only those with this outcome
    pub outcome: Option<ReplayOutcome>,
    /// Only those that came back as dead letters
    pub died_again: bool,
    /// Only those behind this place: the next page
    pub after: i32,
}

impl From<ItemQuery> for ItemFilter {
    fn from(query: ItemQuery) -> Self {
        Self { outcome: query.outcome, died_again: query.died_again, after: query.after }
    }
}

/// Items of a replay.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReplayItems {
    /// At most 100, in the order of the set.
    pub items: Vec<ReplayItem>,
    /// The next page begins with `after` = this; absent on the last one.
    pub next_after: Option<i32>,
}

/// List what came of each dead letter of a replay
#[utoipa::path(
    get, path = "/v1/ops/replays/{id}/items", tag = "operators", params(("id" = Uuid, Path), ItemQuery),
    operation_id = "list_replay_items",
    responses((status = 200, description = "A page of at most 100 dead letters", body = ReplayItems))
)]
pub async fn items(
    State(app): State<App>,
    _: Viewer,
    id: Result<Path<Uuid>, PathRejection>,
    Query(query): Query<ItemQuery>,
) -> Result<Json<ReplayItems>, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let (items, next_after) = find_items(&app, id, query).await?;
    Ok(Json(ReplayItems { items, next_after }))
}

/// A page of items for a handler.
pub(super) async fn find_items(
    app: &App,
    id: Uuid,
    query: ItemQuery,
) -> Result<(Vec<ReplayItem>, Option<i32>), ApiError> {
    let reading = async move |conn: &mut sqlx::PgConnection| super::items(conn, id, query.into()).await;
    app.read(reading).await
}

/// Stop a replay; what has been sent stays sent
#[utoipa::path(
    post, path = "/v1/ops/replays/{id}/cancel", tag = "operators", params(("id" = Uuid, Path)),
    operation_id = "cancel_replay",
    responses(
        (status = 200, description = "It is stopped", body = Replay),
        (status = 409, description = "It does not run any more")
    )
)]
pub async fn cancel(desk: Desk, id: Result<Path<Uuid>, PathRejection>) -> Result<Json<Replay>, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    Ok(Json(desk.cancel_replay(id).await?))
}

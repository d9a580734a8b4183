//! `/v1/ops/actions`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::ops::rights::Viewer;
use crate::store::operators::actions::{Action, ActionFilter};

/// Actions of operators, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionList {
    actions: Vec<Action>,
    /// The next page begins with `before_id` = this; absent on the last one.
    next_before_id: Option<i64>,
}

/// What operators did
#[utoipa::path(
    get, path = "/v1/ops/actions", tag = "operators", params(ActionFilter),
    responses((status = 200, description = "A page of at most 100 actions", body = ActionList))
)]
pub async fn list(
    State(app): State<App>,
    _: Viewer,
    Query(filter): Query<ActionFilter>,
) -> Result<Json<ActionList>, ApiError> {
    let filter = filter.without_blanks();
    let (actions, next_before_id) = app.read(async |conn| super::list(conn, &filter).await).await?;
    Ok(Json(ActionList { actions, next_before_id }))
}

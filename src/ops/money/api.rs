//! `/v1/ops/money`.

use axum::Json;
use axum::extract::State;

use super::MoneyView;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::rights::Viewer;

/// What a gateway has not settled, and webhooks about no payment of ours
#[utoipa::path(
    get, path = "/v1/ops/money", tag = "operators", operation_id = "ops_money",
    responses((status = 200, description = "At most 100 of each", body = MoneyView))
)]
pub async fn list(State(app): State<App>, _: Viewer) -> Result<Json<MoneyView>, ApiError> {
    find(&app).await.map(Json)
}

/// What is not settled, for a handler.
pub(super) async fn find(app: &App) -> Result<MoneyView, ApiError> {
    app.read(async |conn| super::look(conn).await).await
}

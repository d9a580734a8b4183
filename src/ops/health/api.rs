//! `/v1/ops/health`.

use axum::Json;
use axum::extract::State;

use super::{HealthView, facts};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::rights::Viewer;

/// Tell how everything is
///
/// `verdict` is `well`, `look` or `wrong`; `findings` say what is not well, what that means and what to do.
#[utoipa::path(
    get, path = "/v1/ops/health", tag = "operators",
    responses((status = 200, description = "How everything is, well or not", body = HealthView))
)]
pub async fn read(State(app): State<App>, _: Viewer) -> Result<Json<HealthView>, ApiError> {
    Ok(Json(look(&app).await?))
}

/// Asks database and broker at once.
pub(super) async fn look(app: &App) -> Result<HealthView, ApiError> {
    let (facts, queues) = tokio::join!(app.read(facts), app.look_at_queues());
    Ok(facts?.with_broker(queues, app.publisher.refused()))
}

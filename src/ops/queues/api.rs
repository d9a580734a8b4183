//! `/v1/ops/queues`.

use axum::Json;
use axum::extract::State;

use super::{ages, with_ages};
use crate::broker::queues::QueuesView;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::rights::Viewer;

/// List the queues
///
/// Depth, age, rates and consumers of every command queue, delay rung and queue of dead letters. `source` says who was
/// asked: AMQP tells only `ready` and `consumers`.
#[utoipa::path(
    get, path = "/v1/ops/queues", tag = "operators",
    responses((status = 200, description = "The queues, as far as the broker answered", body = QueuesView))
)]
pub async fn list(State(app): State<App>, _: Viewer) -> Result<Json<QueuesView>, ApiError> {
    let view = app.look_at_queues().await;
    Ok(Json(with_ages(view, &app.read(ages).await?)))
}

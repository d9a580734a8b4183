//! `/readyz`: whether this process can do its work. `/livez` and `/metrics` are every process's.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::http::app::App;
use crate::store;

/// Ready when the database answers with the schema this program was built for, now or within the last second, and the broker
/// takes messages
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, description = "Ready"), (status = 503, description = "Not ready"))
)]
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let database = app.readiness.as_found_by(has_schema(app.clone())).await;
    let broker = app.publisher.is_accepting();
    let status = if database && broker { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"database": database, "broker": broker, "refused": app.publisher.refused()})))
}

async fn has_schema(app: App) -> bool {
    let missing = app.read(async |conn| store::missing_migrations(conn).await).await;
    missing.is_ok_and(|missing| missing == 0)
}

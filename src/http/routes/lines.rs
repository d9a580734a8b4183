//! `/v1/orders/{id}/place`: where an order stands in line.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::orders::OwnOrder;
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::error::ApiError;
use crate::http::views::{Problem, is_false};
use crate::store::waiting::{self, PlaceInLine};

/// Where an order stands in line.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceView {
    /// The SKU that it waits for. An order that wants several stands in the line of one that is missing.
    sku: String,
    /// Units of it that it wants.
    quantity: i32,
    /// Orders that came before it. Its turn may come before theirs, if they want more than there is.
    before: i64,
    /// True if there are more: they are counted up to 10,000.
    #[serde(skip_serializing_if = "is_false")]
    before_is_at_least: bool,
    /// Its turn comes before this instant or not at all.
    wait_until: DateTime<Utc>,
}

/// The lines that an order stands in.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacesView {
    /// One for each line: several for an order that is content with any of its items.
    places: Vec<PlaceView>,
}

/// Read where an order stands in line
#[utoipa::path(
    get, path = "/v1/orders/{id}/place", tag = "orders", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "Its places", body = PlacesView),
        (status = 404, description = "No order of this customer, or it does not wait", body = Problem),
    )
)]
pub async fn place_in_line(
    State(app): State<App>,
    Buyer(customer): Buyer,
    id: OwnOrder,
) -> Result<Response, ApiError> {
    let order = id.check(&customer)?;
    let places = app.read(async |conn| waiting::places(conn, order).await).await?;
    if places.is_empty() {
        return Err(ApiError::NotFound);
    }
    let view = |place: PlaceInLine| PlaceView {
        sku: place.sku,
        quantity: place.quantity,
        before: place.before,
        before_is_at_least: place.before >= waiting::COUNTED,
        wait_until: place.wait_until,
    };
    let places = places.into_iter().map(view).collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(PlacesView { places })).into_response())
}

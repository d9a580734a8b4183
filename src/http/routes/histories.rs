//! `/v1/orders/{id}/history`: what has happened to an order, as its buyer may know it.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::carts::NO_STORE;
use super::orders::OwnOrder;
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::error::ApiError;
use crate::http::views::Problem;
use crate::store::events::{self, StoredEvent};

/// Facts that are told, the latest ones.
const TOLD: i64 = 100;
/// What of a fact is its buyer's business: when, how much and why. Names of payments, gateways' codes and what becomes of units that
/// came back are the shop's. What is not named here is not told, so a new member of a fact stays inside until somebody says so.
const FOR_BUYERS: [&str; 11] = [
    "amount_won",
    "expires_at",
    "is_whole",
    "items",
    "method",
    "paid",
    "reason",
    "refusal",
    "released_at",
    "wait_until",
    "waiting_since",
];
/// The same of each item of a refund.
const OF_ITEMS: [&str; 3] = ["sku", "quantity", "amount_won"];

/// What has happened to an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryView {
    /// The latest 100 facts, oldest first; none while the order waits in its queue.
    facts: Vec<FactView>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactView {
    /// Its name, such as `order.held`.
    #[serde(rename = "type")]
    kind: String,
    /// When.
    occurred_at: DateTime<Utc>,
    /// What belongs to it: amounts, the reason, the deadline.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

impl From<StoredEvent> for FactView {
    fn from(event: StoredEvent) -> Self {
        let mut data: Map<String, Value> = serde_json::from_str(event.data.get()).unwrap_or_default();
        keep(&mut data, &FOR_BUYERS);
        let items = data.get_mut("items").and_then(Value::as_array_mut);
        let items = items.into_iter().flatten().filter_map(Value::as_object_mut);
        items.for_each(|item| keep(item, &OF_ITEMS));
        Self { kind: event.kind, occurred_at: event.occurred_at, data }
    }
}

fn keep(data: &mut Map<String, Value>, names: &[&str]) {
    data.retain(|name, _| names.contains(&name.as_str()));
}

/// Read what has happened to an order
#[utoipa::path(
    get, path = "/v1/orders/{id}/history", tag = "orders", params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "The latest 100 facts, oldest first", body = HistoryView),
        (status = 404, description = "No order of this customer", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    Buyer(customer): Buyer,
    id: OwnOrder,
) -> Result<impl axum::response::IntoResponse, ApiError> {
    let order = id.check(&customer)?;
    let facts = app.read(async |conn| events::latest_of_order(conn, order, TOLD).await).await?;
    Ok((NO_STORE, Json(HistoryView { facts: facts.into_iter().map(FactView::from).collect() })))
}

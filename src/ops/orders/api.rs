//! `/v1/ops/orders`: search, read, cancel, refund, and have the gateway asked.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::OrderFilter;
use super::view::{OrderDetail, OrderPage, Resolved};
use crate::domain::card::Stated;
use crate::domain::ids::{CommandId, OrderId};
use crate::domain::reason::Reason;
use crate::http::app::App;
use crate::http::body;
use crate::http::command::applied;
use crate::http::error::ApiError;
use crate::http::headers::{RequiredKey, Wait};
use crate::http::query::Query;
use crate::http::routes::refunds::{self, RefundRequestItem};
use crate::http::views::{OrderView, Problem};
use crate::ops::desk::Desk;
use crate::ops::desk::orders::Given;
use crate::ops::rights::Viewer;

/// Search orders, newest first
#[utoipa::path(
    get, path = "/v1/ops/orders", tag = "operators", operation_id = "ops_search_orders", params(OrderFilter),
    responses((status = 200, description = "A page of up to 100 orders", body = OrderPage))
)]
pub async fn search(
    State(app): State<App>,
    _: Viewer,
    Query(filter): Query<OrderFilter>,
) -> Result<Json<OrderPage>, ApiError> {
    Ok(Json(find(&app, &filter).await?))
}

/// A page of orders.
pub(super) async fn find(app: &App, filter: &OrderFilter) -> Result<OrderPage, ApiError> {
    let filter = filter.clone();
    app.write(move |tx| async move { Ok(super::search(tx, &filter).await?) }.boxed()).await
}

/// An order with its story.
pub(super) async fn find_one(app: &App, order: OrderId) -> Result<OrderDetail, ApiError> {
    app.read(async |conn| super::show(conn, order).await).await
}

/// Read one order with everything that happened to it
#[utoipa::path(
    get, path = "/v1/ops/orders/{id}", tag = "operators", operation_id = "ops_read_order",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The order and its timeline", body = OrderDetail),
        (status = 404, description = "No such order, or not decided yet", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    _: Viewer,
    AnyOrder(order): AnyOrder,
) -> Result<Json<OrderDetail>, ApiError> {
    Ok(Json(find_one(&app, order).await?))
}

/// Why something is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsReason)]
pub struct Because {
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub reason: Reason,
}

/// Cancel an order that is on hold
#[utoipa::path(
    post, path = "/v1/ops/orders/{id}/cancel", tag = "operators", operation_id = "ops_cancel_order",
    params(("id" = Uuid, Path)), request_body = Because,
    responses(
        (status = 200, description = "Cancelled", body = OrderView),
        (status = 202, description = "Accepted", body = OrderView),
        (status = 404, description = "No such order, or not decided yet", body = Problem),
        (status = 409, description = "Not on hold any more", body = Problem),
        (status = 429, description = "Too many callers wait, with this token or in all", body = Problem),
    )
)]
pub async fn cancel(
    desk: Desk,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    body::Json(because): body::Json<Because>,
) -> Result<Response, ApiError> {
    let patience = wait.patience();
    let given = desk.cancel_order(order, because.reason, wait).await?;
    Ok(told(order, given, patience))
}

/// What to give back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsRefundRequest)]
pub struct OpsRefundRequest {
    /// Units to give back; everything that is left when absent.
    #[schema(min_items = 1, max_items = 50)]
    pub items: Option<Vec<RefundRequestItem>>,
    /// Whether the units are sold again, where an item does not say; true when absent.
    pub restock: Option<bool>,
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub reason: Reason,
}

/// Refund a paid order, or a part of it, as an operator
#[utoipa::path(
    post, path = "/v1/ops/orders/{id}/refunds", tag = "operators", operation_id = "ops_refund_order",
    request_body = OpsRefundRequest,
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = String, Header, description = "Repeats of one key are one refund"),
    ),
    responses(
        (status = 200, description = "Given back to where it came from", body = OrderView),
        (status = 202, description = "Accepted", body = OrderView),
        (status = 404, description = "No such order, or not decided yet", body = Problem),
        (status = 409, description = "Not paid, more than is left, or the gateway says no", body = Problem),
        (status = 422, description = "A rule is broken, or the key was used for another refund", body = Problem),
        (status = 429, description = "Too many callers wait, with this token or in all", body = Problem),
    )
)]
pub async fn refund(
    desk: Desk,
    AnyOrder(order): AnyOrder,
    RequiredKey(key): RequiredKey,
    wait: Wait,
    body::Json(request): body::Json<OpsRefundRequest>,
) -> Result<Response, ApiError> {
    let asked = refunds::asked(request.items, request.restock.unwrap_or(true))?;
    let patience = wait.patience();
    let given = desk.refund_order(order, (key, asked), request.reason, wait).await?;
    Ok(told(order, given, patience))
}

/// Ask the gateway now about what is not settled
#[utoipa::path(
    post, path = "/v1/ops/orders/{id}/resolve", tag = "operators", operation_id = "ops_resolve_order",
    params(("id" = Uuid, Path)), request_body = Because,
    responses(
        (status = 200, description = "Everything is settled", body = Resolved),
        (status = 202, description = "The gateway is asked", body = Resolved),
        (status = 404, description = "No such order, or not decided yet", body = Problem),
        (status = 429, description = "Too many callers wait, with this token or in all", body = Problem),
    )
)]
pub async fn resolve(
    desk: Desk,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    body::Json(because): body::Json<Because>,
) -> Result<(StatusCode, Json<Resolved>), ApiError> {
    let resolved = desk.resolve_order(order, because.reason, wait).await?;
    Ok((status(resolved.is_settled), Json(resolved)))
}

/// What came of a payment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsSettle)]
pub struct Settle {
    /// captured, not_taken or returned, as the gateway's own console says.
    #[schema(value_type = String)]
    pub stated: Stated,
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub reason: Reason,
}

/// Say what came of a payment that the gateway gives no definite answer to
#[utoipa::path(
    post, path = "/v1/ops/orders/{id}/payments/{payment}/settle", tag = "operators",
    operation_id = "ops_settle_payment", params(("id" = Uuid, Path), ("payment" = Uuid, Path)), request_body = Settle,
    responses(
        (status = 200, description = "Everything is settled", body = Resolved),
        (status = 202, description = "Accepted", body = Resolved),
        (status = 404, description = "No such order or payment", body = Problem),
        (status = 422, description = "The payment is at its end", body = Problem),
        (status = 429, description = "Too many callers wait, with this token or in all", body = Problem),
    )
)]
pub async fn settle(
    desk: Desk,
    path: Result<Path<(Uuid, Uuid)>, PathRejection>,
    wait: Wait,
    body::Json(Settle { stated, reason }): body::Json<Settle>,
) -> Result<(StatusCode, Json<Resolved>), ApiError> {
    let Path((order, payment)) = path.map_err(|_| ApiError::NotFound)?;
    let said = (CommandId(payment), stated);
    let resolved = desk.settle_payment(order.into(), said, reason, wait).await?;
    Ok((status(resolved.is_settled), Json(resolved)))
}

/// 200 for what has come to its end.
fn status(is_done: bool) -> StatusCode {
    if is_done { StatusCode::OK } else { StatusCode::ACCEPTED }
}

/// How the order stands; an operator finds it at a path of their own.
fn told(order: OrderId, given: Given, patience: Option<Duration>) -> Response {
    let at = [(header::LOCATION, format!("/v1/ops/orders/{order}"))];
    applied((status(given.is_decided), at, Json(given.order)).into_response(), patience)
}

/// The order of the path, whosever it is. What is no id gets the same answer as an id that is nobody's.
pub struct AnyOrder(pub OrderId);

impl FromRequestParts<App> for AnyOrder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Path::<Uuid>::from_request_parts(parts, app).await {
            Ok(Path(id)) => Ok(Self(id.into())),
            Err(_) => Err(ApiError::NotFound),
        }
    }
}

//! `/v1/ops/orders`: search, read, cancel, refund, and have the gateway asked.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::actions;
use super::filter::OrderFilter;
use super::view::{OrderDetail, OrderPage, PaymentDetail, RefundDetail};
use crate::domain::card::Stated;
use crate::domain::ids::{CommandId, IdempotencyKey, OrderId};
use crate::domain::refund::Asked;
use crate::http::app::App;
use crate::http::auth;
use crate::http::body;
use crate::http::command::{give_by, publish_all};
use crate::http::error::ApiError;
use crate::http::headers::{RequiredKey, Wait};
use crate::http::outcome::Awaited;
use crate::http::query::Query;
use crate::http::routes::refunds::{self, RefundItem};
use crate::http::views::{OrderView, Problem};
use crate::http::visit::Stay;
use crate::http::watch::Subscription;
use crate::ops::reason::Reason;
use crate::ops::rights::{Actor, Operator, Viewer};

/// Whoever does not say how long they wait is told the outcome if it comes this soon.
const SOON: Duration = Duration::from_secs(3);
/// An order is looked at this often while somebody waits, even if no fact of it is heard.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsReason)]
pub struct Because {
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    reason: Reason,
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
    State(app): State<App>,
    Operator(actor): Operator,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    body::Json(because): body::Json<Because>,
) -> Result<Response, ApiError> {
    give_cancel(&app, actor, order, because.reason, wait).await
}

/// Has an order called off, and waits a little for what comes of it.
pub(super) async fn give_cancel(
    app: &App,
    actor: Actor,
    order: OrderId,
    reason: Reason,
    wait: Wait,
) -> Result<Response, ApiError> {
    let stay = soon(app, wait)?;
    let giving =
        app.write(move |tx| async move { Ok(actions::cancel(tx, &actor, order, &reason).await?) }.boxed());
    let giving = async { publish_all(app, giving.await?).await };
    let answer = give_by(app, order, stay, Awaited::Cancellation, giving).await?;
    Ok(at(answer, order))
}

/// What to give back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsRefundRequest)]
pub struct Refund {
    /// Units to give back; everything that is left when absent.
    #[schema(min_items = 1, max_items = 50)]
    items: Option<Vec<RefundItem>>,
    /// Whether the units are sold again, where an item does not say; true when absent.
    restock: Option<bool>,
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    reason: Reason,
}

/// Refund a paid order, or a part of it, as an operator
#[utoipa::path(
    post, path = "/v1/ops/orders/{id}/refunds", tag = "operators", operation_id = "ops_refund_order",
    request_body = Refund,
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
    State(app): State<App>,
    Operator(actor): Operator,
    AnyOrder(order): AnyOrder,
    RequiredKey(key): RequiredKey,
    wait: Wait,
    body::Json(request): body::Json<Refund>,
) -> Result<Response, ApiError> {
    let asked = refunds::asked(request.items, request.restock.unwrap_or(true))?;
    give_refund(&app, actor, order, (key, asked), request.reason, wait).await
}

/// Has money given back, and waits a little for what comes of it.
pub(super) async fn give_refund(
    app: &App,
    actor: Actor,
    order: OrderId,
    (key, asked): (IdempotencyKey, Asked),
    reason: Reason,
    wait: Wait,
) -> Result<Response, ApiError> {
    let stay = soon(app, wait)?;
    let id: CommandId = app.read(async |conn| actions::refund_id(conn, order, &key).await).await?;
    refunds::check_key(app, id, &asked).await?;
    let giving = app.write(move |tx| {
        async move { Ok(actions::refund(tx, &actor, order, (id, asked), &reason).await?) }.boxed()
    });
    let giving = async { publish_all(app, giving.await?).await };
    let answer = give_by(app, order, stay, Awaited::Refund(id), giving).await?;
    Ok(at(answer, order))
}

/// What is known of an order's money after its gateway was asked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpsResolved)]
pub struct Resolved {
    /// The payments and refunds that are asked about; nothing was done if there are none.
    pub asked: Vec<Uuid>,
    /// Whether every answer is definite now.
    pub is_settled: bool,
    /// The attempts to pay as they stand.
    pub payments: Vec<PaymentDetail>,
    /// The refunds as they stand.
    pub refunds: Vec<RefundDetail>,
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
    State(app): State<App>,
    Operator(actor): Operator,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    body::Json(because): body::Json<Because>,
) -> Result<(StatusCode, Json<Resolved>), ApiError> {
    let resolved = give_resolve(&app, actor, order, because.reason, wait).await?;
    let status = if resolved.is_settled { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(resolved)))
}

/// Has the gateway asked, and waits a little for what it says.
pub(super) async fn give_resolve(
    app: &App,
    actor: Actor,
    order: OrderId,
    reason: Reason,
    wait: Wait,
) -> Result<Resolved, ApiError> {
    let stay = soon(app, wait)?;
    let subscription = app.watch.subscribe(order);
    let asking =
        app.write(move |tx| async move { Ok(actions::resolve(tx, &actor, order, &reason).await?) }.boxed());
    let (asked, messages) = asking.await?;
    publish_all(app, messages).await?;
    until_settled(app, order, asked, subscription, stay).await
}

/// What is known of an order's money once it is settled, or when nobody waits any longer.
async fn until_settled(
    app: &App,
    order: OrderId,
    asked: Vec<Uuid>,
    mut subscription: Subscription,
    mut stay: Option<Stay>,
) -> Result<Resolved, ApiError> {
    let deadline = Instant::now() + stay.as_ref().map_or(Duration::ZERO, |stay| stay.patience);
    loop {
        if let Some(stay) = &mut stay {
            auth::check(app, &mut stay.visit).await?;
        }
        let OrderDetail { is_unsettled, payments, refunds, .. } = find_one(app, order).await?;
        if !is_unsettled || Instant::now() >= deadline || app.stop.is_cancelled() {
            return Ok(Resolved { asked, is_settled: !is_unsettled, payments, refunds });
        }
        let _ = app.stop.run_until_cancelled(subscription.due(LOOK_AGAIN, Some(deadline))).await;
    }
}

/// What came of a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsSettle)]
pub struct Settle {
    /// captured, not_taken or returned, as the gateway's own console says.
    #[schema(value_type = String)]
    stated: Stated,
    /// For whoever reads the audit log later.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    reason: Reason,
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
    State(app): State<App>,
    Operator(actor): Operator,
    path: Result<Path<(Uuid, Uuid)>, PathRejection>,
    wait: Wait,
    body::Json(Settle { stated, reason }): body::Json<Settle>,
) -> Result<(StatusCode, Json<Resolved>), ApiError> {
    let Path((order, payment)) = path.map_err(|_| ApiError::NotFound)?;
    let said = (CommandId(payment), stated);
    let resolved = give_settle(&app, actor, order.into(), said, reason, wait).await?;
    let status = if resolved.is_settled { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(resolved)))
}

/// Says what came of a payment, and waits a little for what follows.
pub(super) async fn give_settle(
    app: &App,
    actor: Actor,
    order: OrderId,
    said: (CommandId, Stated),
    reason: Reason,
    wait: Wait,
) -> Result<Resolved, ApiError> {
    let stay = soon(app, wait)?;
    let subscription = app.watch.subscribe(order);
    let saying = app
        .write(move |tx| async move { Ok(actions::settle(tx, &actor, order, said, &reason).await?) }.boxed());
    publish_all(app, saying.await?).await?;
    until_settled(app, order, vec![said.0.0], subscription, stay).await
}

/// Waits as long as the operator says, or a little, if there is a place.
fn soon(app: &App, wait: Wait) -> Result<Option<Stay>, ApiError> {
    wait.begin_or_for(SOON, &app.stays)
}

/// An operator finds the order at a path of their own.
fn at(mut answer: Response, order: OrderId) -> Response {
    let path = format!("/v1/ops/orders/{order}");
    let path = HeaderValue::try_from(path).expect("an id is visible ASCII");
    answer.headers_mut().insert(header::LOCATION, path);
    answer
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

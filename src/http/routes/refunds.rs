//! `/v1/orders/{id}/refunds`: give money back for what was paid. Whether units are sold again is the shop's decision, so
//! it is the shop, or an operator, who asks; a customer only for what the shop lets them give back.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::orders::{OwnOrder, command_id};
use crate::domain::ids::{CommandId, Fingerprint, SkuCode};
use crate::domain::items::{MAX_ITEMS, Quantity};
use crate::domain::refund::{Asked, AskedItem, RefundReason};
use crate::http::app::App;
use crate::http::body;
use crate::http::command::give;
use crate::http::error::ApiError;
use crate::http::headers::{RequiredKey, Trace, Wait};
use crate::http::outcome::Awaited;
use crate::http::returns::Refundee;
use crate::http::views::{OrderView, Problem, RefundView};
use crate::message::{RefundOrder, Version};
use crate::store::refunds;

/// What to give back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refund)]
pub struct RefundRequest {
    /// Units to give back; everything that is left when absent.
    #[schema(min_items = 1, max_items = 50)]
    items: Option<Vec<RefundRequestItem>>,
    /// Whether the units are sold again, where an item does not say; true when absent.
    restock: Option<bool>,
    /// Why, in the shop's words: at most 200 characters.
    #[schema(value_type = Option<String>, max_length = 200)]
    reason: Option<RefundReason>,
}

/// Units of one SKU to give back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefundItem)]
pub struct RefundRequestItem {
    /// The SKU's code.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1000)]
    pub quantity: i64,
    /// Whether they are sold again; written off otherwise.
    pub restock: Option<bool>,
}

impl RefundRequest {
    fn parse(self) -> Result<(Asked, RefundReason), ApiError> {
        let asked = asked(self.items, self.restock.unwrap_or(true))?;
        Ok((asked, self.reason.unwrap_or_default()))
    }
}

/// What these items ask for: everything that is left when there are none.
pub(crate) fn asked(items: Option<Vec<RefundRequestItem>>, restock: bool) -> Result<Asked, ApiError> {
    Ok(match items {
        None => Asked::All { restock },
        Some(items) if items.is_empty() || items.len() > MAX_ITEMS => {
            return Err(ApiError::Unprocessable(format!("items must be 1 to {MAX_ITEMS} items")));
        }
        Some(items) => Asked::Items(
            items
                .into_iter()
                .map(|item| {
                    Ok(AskedItem {
                        sku: SkuCode::parse(item.sku)?,
                        quantity: Quantity::parse(item.quantity)?,
                        restock: item.restock.unwrap_or(restock),
                    })
                })
                .collect::<Result<_, ApiError>>()?,
        ),
    })
}

/// Refund a paid order, or a part of it
///
/// A customer may do so within the days that the shop gives for it (`HOLDFAST_RETURN_DAYS`, counted from the payment), and gives the
/// units back: they are sold again. Later 409 `return-too-late`; 403 where it gives none.
#[utoipa::path(
    post, path = "/v1/orders/{id}/refunds", tag = "refunds", request_body = RefundRequest,
    params(
        ("id" = uuid::Uuid, Path),
        ("Idempotency-Key" = String, Header, description = "Repeats of one key are one refund"),
        ("Holdfast-Customer" = Option<String>, Header, description = "Whose order it is, named by a shop or an operator"),
    ),
    responses(
        (status = 200, description = "Given back to where it came from", body = OrderView),
        (status = 202, description = "Accepted", body = OrderView),
        (status = 404, description = "No order of this customer", body = Problem),
        (status = 409, description = "Not paid, more than is left, or the gateway says no", body = Problem),
        (status = 422, description = "A rule is broken, or the key was used for another refund", body = Problem),
        (status = 429, description = "Too many callers wait, of this customer or in all", body = Problem),
    )
)]
pub async fn refund(
    State(app): State<App>,
    refundee: Refundee,
    id: OwnOrder,
    RequiredKey(key): RequiredKey,
    wait: Wait,
    Trace(trace): Trace,
    body::Json(request): body::Json<RefundRequest>,
) -> Result<Response, ApiError> {
    let customer = &refundee.customer;
    let order_id = id.check(customer)?;
    let (asked, reason) = request.parse()?;
    let command_id = command_id("refund", customer, order_id, Some(key));
    refundee.check(&app, order_id, command_id, &asked).await?;
    let stay = wait.begin(&app.stays)?;
    check_key(&app, command_id, &asked).await?;
    let command = RefundOrder { version: Version, command_id, order_id, asked, reason };
    give(&app, command, order_id, stay, Awaited::Refund(command_id), trace.as_deref()).await
}

/// A key that asked for something else before is another request, as far as this process and the table know.
pub(crate) async fn check_key(app: &App, id: CommandId, asked: &Asked) -> Result<(), ApiError> {
    if !app.remember(id.0, Fingerprint::of(&refunds::json(asked))) {
        return Err(ApiError::KeyReused);
    }
    let before = match app.read(async |conn| refunds::asked_for(conn, id).await).await {
        Ok(before) => before,
        // The command itself needs only the broker.
        Err(ApiError::DatabaseUnavailable) => return Ok(()),
        Err(error) => return Err(error),
    };
    let asked = serde_json::to_value(asked).expect("a request has string keys");
    if before.is_some_and(|before| before != asked) { Err(ApiError::KeyReused) } else { Ok(()) }
}

/// List the latest 200 refunds of an order, oldest first
#[utoipa::path(
    get, path = "/v1/orders/{id}/refunds", tag = "refunds",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "The refunds", body = [RefundView]),
        (status = 404, description = "No order of this customer", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    refundee: Refundee,
    id: OwnOrder,
) -> Result<Json<Vec<RefundView>>, ApiError> {
    let order_id = id.check(&refundee.customer)?;
    let refunds = app.read(async |conn| refunds::of_order(conn, order_id).await).await?;
    Ok(Json(refunds.iter().map(RefundView::from).collect()))
}

//! `/ops/orders`: search, one order with its timeline, and the forms that act on it.

use axum::extract::State;
use axum::response::Response;
use axum_extra::extract::Form;
use serde::Deserialize;
use uuid::Uuid;

use super::api::{self, AnyOrder};
use super::filter::OrderFilter;
use super::timeline::RowKind;
use super::view::{OrderDetail, OrderPage};
use crate::domain::card::Stated;
use crate::domain::ids::{CommandId, IdempotencyKey, OrderId, SkuCode};
use crate::domain::items::Quantity;
use crate::domain::reason::Reason;
use crate::domain::refund::{Asked, AskedItem};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::headers::Wait;
use crate::http::query::Query;
use crate::ops::console::{self, Frame, ReasonForm, filters};
use crate::ops::desk::Desk;
use crate::store::orders::OrderStatus;

#[derive(askama::Template)]
#[template(path = "orders.html")]
struct SearchPage {
    frame: Frame,
    filter: OrderFilter,
    statuses: [&'static str; 9],
    page: OrderPage,
    problem: Option<String>,
    next: Option<String>,
}

#[derive(askama::Template)]
#[template(path = "order.html")]
struct ShowPage {
    frame: Frame,
    detail: OrderDetail,
    /// The key of the refund that this page may ask for: the form sent twice is one refund.
    key: Uuid,
}

/// The orders that the address asks for.
pub async fn search(
    State(app): State<App>,
    frame: Frame,
    Query(filter): Query<OrderFilter>,
) -> Result<Response, ApiError> {
    let (page, problem) = match api::find(&app, &filter).await {
        Ok(page) => (page, None),
        Err(ApiError::Unprocessable(why)) => (OrderPage { orders: vec![], next: None }, Some(why)),
        Err(error) => return Err(error),
    };
    let next = page.next.map(|after| filter.next(after));
    let statuses = OrderStatus::ALL.map(OrderStatus::name);
    Ok(console::page(&SearchPage { frame, filter, statuses, page, problem, next }))
}

pub async fn show(
    State(app): State<App>,
    frame: Frame,
    AnyOrder(order): AnyOrder,
) -> Result<Response, ApiError> {
    let detail = api::find_one(&app, order).await?;
    // A form that is sent twice, or drawn and sent again before anything was decided, asks for one refund.
    let latest = detail.refunds.last().map(|refund| (refund.id, &refund.status));
    let decided = format!("latest refund {latest:?}, given back {:?}", detail.order.refunded_won);
    let key = Uuid::new_v5(&order.uuid(), decided.as_bytes());
    Ok(console::page(&ShowPage { frame, detail, key }))
}

/// Calls an order off.
pub async fn cancel(
    desk: Desk,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    Form(because): Form<ReasonForm>,
) -> Result<Response, ApiError> {
    let given = desk.cancel_order(order, because.given()?, wait).await?;
    Ok(told(
        order,
        given.is_decided,
        "The order is cancelled.",
        "The order is to be cancelled; no worker has decided yet.",
    ))
}

/// Has the gateway asked.
pub async fn resolve(
    desk: Desk,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    Form(because): Form<ReasonForm>,
) -> Result<Response, ApiError> {
    let resolved = desk.resolve_order(order, because.given()?, wait).await?;
    let what = match (resolved.asked.len(), resolved.is_settled) {
        (0, _) => "Nothing was open; nobody was asked.",
        (_, true) => "The gateway was asked, and everything is settled.",
        (_, false) => "The gateway is asked; its answer is not definite yet.",
    };
    Ok(console::told(&page_of(order), what))
}

/// What the form about an open payment sends.
#[derive(Debug, Deserialize)]
pub struct SettleForm {
    payment: Uuid,
    stated: Stated,
    reason: String,
}

/// Says what came of a payment.
pub async fn settle(
    desk: Desk,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    Form(SettleForm { payment, stated, reason }): Form<SettleForm>,
) -> Result<Response, ApiError> {
    let said = (CommandId(payment), stated);
    let resolved = desk.settle_payment(order, said, Reason::parse(reason)?, wait).await?;
    Ok(told(
        order,
        resolved.is_settled,
        "The payment is settled as you said.",
        "What you said is on its way; no worker has decided yet.",
    ))
}

/// What the refund form sends: an entry of each list per SKU.
#[derive(Debug, Deserialize)]
pub struct RefundForm {
    reason: String,
    key: String,
    #[serde(default)]
    sku: Vec<String>,
    #[serde(default)]
    quantity: Vec<String>,
    #[serde(default)]
    becomes: Vec<String>,
}

pub async fn refund(
    desk: Desk,
    AnyOrder(order): AnyOrder,
    wait: Wait,
    Form(form): Form<RefundForm>,
) -> Result<Response, ApiError> {
    let (reason, key) = (Reason::parse(form.reason.as_str())?, IdempotencyKey::parse(form.key.as_str())?);
    let asked = form.asked()?;
    let given = desk.refund_order(order, (key, asked), reason, wait).await?;
    let accepted = "The refund is on its way; it is not decided yet.";
    Ok(told(order, given.is_decided, "The money is given back.", accepted))
}

impl RefundForm {
    fn asked(self) -> Result<Asked, ApiError> {
        let mut items = Vec::new();
        for ((sku, quantity), becomes) in self.sku.into_iter().zip(self.quantity).zip(self.becomes) {
            let units: i64 = match quantity.trim() {
                "" => 0,
                units => units
                    .parse()
                    .map_err(|_| ApiError::Unprocessable("units must be whole numbers".to_owned()))?,
            };
            if units != 0 {
                let (sku, quantity) = (SkuCode::parse(sku)?, Quantity::parse(units)?);
                items.push(AskedItem { sku, quantity, restock: becomes != "write_off" });
            }
        }
        if items.is_empty() {
            return Err(ApiError::Unprocessable("say of which units the money goes back".to_owned()));
        }
        Ok(Asked::Items(items))
    }
}

fn page_of(order: OrderId) -> String {
    format!("/ops/orders/{order}")
}

fn told(order: OrderId, is_done: bool, done: &str, accepted: &str) -> Response {
    console::told(&page_of(order), if is_done { done } else { accepted })
}

/// The colour of a state.
fn tone(status: &str) -> &'static str {
    match status {
        "paid" | "captured" | "done" => "good",
        "held" | "requesting" => "calm",
        "paying" | "unknown" | "returning" | "partly_refunded" => "warn",
        "refused" | "declined" => "bad",
        _ => "",
    }
}

fn row_tone(kind: &RowKind) -> &'static str {
    match kind {
        RowKind::Transition => "good",
        RowKind::Payment | RowKind::Refund => "calm",
        RowKind::Operator => "warn",
        RowKind::DeadLetter => "bad",
        RowKind::Webhook | RowKind::Timer | RowKind::Notice => "",
    }
}

/// How long a hold still has.
pub(in crate::ops) fn time_left(seconds: &i64) -> String {
    let seconds = *seconds;
    let words = |seconds: i64| match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    };
    if seconds < 0 { format!("overdue by {}", words(-seconds)) } else { format!("{} left", words(seconds)) }
}

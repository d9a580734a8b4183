//! From the cart to an order, or into the line.

use std::collections::HashMap;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Form, new_key, product_code, sku_code};
use crate::shop::addresses::sign_in_leading_to;
use crate::shop::answers::{Cart, Customer, Order, Shortage};
use crate::shop::api::Call;
use crate::shop::frame::{Frame, page_with};
use crate::shop::refused::Refused;
use crate::shop::visitor::Visitor;

#[derive(askama::Template)]
#[template(path = "shop/checkout.html")]
struct CheckoutPage {
    frame: Frame,
    cart: Cart,
    /// Whose order it will be, so that nobody pays for another's.
    email: Option<String>,
    /// Repeats of this form are one order.
    key: String,
    /// Why the last try came to nothing.
    refused: Option<Refused>,
}

/// Where a buyer sees what they are about to order.
pub async fn form(visitor: Visitor) -> Result<Response, Refused> {
    visitor.signed_in()?;
    shown(&visitor, None).await
}

async fn shown(visitor: &Visitor, refused: Option<Refused>) -> Result<Response, Refused> {
    let cart = visitor.cart().await?.unwrap_or_default();
    if cart.items.is_empty() {
        return Ok(Redirect::to("/shop/cart").into_response());
    }
    let status = refused.as_ref().map_or(StatusCode::OK, |refused| refused.status);
    let customer: Customer = visitor.read("/v1/customer").await?;
    let (frame, email) = (visitor.frame_with(Some(&cart)), customer.email);
    Ok(page_with(status, &CheckoutPage { frame, cart, email, key: new_key(), refused }))
}

impl CheckoutPage {
    /// Whether the sale of something in it is yet to begin: then the order waits for it in line.
    fn is_early(&self) -> bool {
        self.cart.items.iter().any(|item| item.is_upcoming())
    }

    /// Whether too few of something are there now.
    fn is_short(&self) -> bool {
        self.cart.items.iter().any(|item| item.is_short())
    }

    /// What was too little there, and how much of it there was.
    fn shortages(&self) -> Vec<Shortage> {
        self.refused.as_ref().and_then(|refused| refused.member("shortages")).unwrap_or_default()
    }
}

/// What the form of the checkout sends.
#[derive(Debug, Deserialize)]
pub struct CheckOut {
    key: String,
    /// What the buyer was told all of it costs.
    amount_won: i64,
    /// Whether they wait for what is not there.
    #[serde(default)]
    wait: Option<String>,
}

/// Asks for the order. What the API refuses is told above the same form.
pub async fn check_out(visitor: Visitor, Form(form): Form<CheckOut>) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let mut body = json!({"expected_amount_won": form.amount_won});
    if form.wait.is_some() {
        body["on_shortage"] = json!("wait");
    }
    match visitor.ask(Call::post("/v1/cart/checkout", body).once(form.key)).await {
        Ok(answer) => Ok(to_order(&answer.read::<Order>()?.id)),
        Err(refused) if refused.kind == "cart-empty" => after_empty(&visitor).await,
        Err(refused) if refused.status == StatusCode::CONFLICT && !is_refusal(&refused.kind) => {
            // Another tab or an earlier press has asked for these things already.
            let order: Option<String> = refused.member("order_id");
            order.map(|order| to_order(&order)).ok_or(refused)
        }
        Err(refused) if matches!(refused.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) => {
            shown(&visitor, Some(refused)).await
        }
        Err(refused) => Err(refused),
    }
}

/// Whether the order was decided, and not in the buyer's favour.
fn is_refusal(kind: &str) -> bool {
    matches!(
        kind,
        "out-of-stock"
            | "off-sale"
            | "price-changed"
            | "too-many-holds"
            | "too-many-units"
            | "unknown-sku"
            | "amount-too-large"
    )
}

/// The cart was emptied by the order that an earlier press of the button made.
async fn after_empty(visitor: &Visitor) -> Result<Response, Refused> {
    let last = visitor.cart().await?.and_then(|cart| cart.last_checkout);
    Ok(match last.filter(|last| last.status != "given_up") {
        Some(last) => to_order(&last.order_id),
        None => Redirect::to("/shop/cart").into_response(),
    })
}

pub(super) fn to_order(id: &str) -> Response {
    Redirect::to(&format!("/shop/orders/{id}")).into_response()
}

/// What the form of a product sends.
#[derive(Debug, Deserialize)]
pub struct OrderNow {
    key: String,
    sku: String,
    quantity: i64,
    /// The buyer stands in line if it cannot be had now.
    #[serde(default)]
    wait: Option<String>,
    /// What each SKU cost when the page was drawn, by `won.` and its code.
    #[serde(flatten)]
    prices: HashMap<String, String>,
}

/// Orders one thing without a cart; or stands in the line of what is sold out, or whose sale is yet to begin.
pub async fn order_now(
    visitor: Visitor,
    Path(product): Path<String>,
    Form(form): Form<OrderNow>,
) -> Result<Response, Refused> {
    if !visitor.is_signed_in() {
        let product = format!("/shop/products/{}", product_code(product)?);
        return Ok(Redirect::to(&sign_in_leading_to(&product)).into_response());
    }
    let price = form.prices.get(&format!("won.{}", form.sku)).and_then(|won| won.parse::<i64>().ok());
    let items: Value = json!([{"sku": sku_code(form.sku)?, "quantity": form.quantity}]);
    let mut order = json!({"items": items});
    if let Some(amount_won) = price.and_then(|price| price.checked_mul(form.quantity)) {
        order["expected_amount_won"] = json!(amount_won);
    }
    if form.wait.is_some() {
        order["on_shortage"] = json!("wait");
    }
    let answer = visitor.ask(Call::post("/v1/orders", order).once(form.key)).await?;
    Ok(to_order(&answer.read::<Order>()?.id))
}

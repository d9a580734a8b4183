//! The cart. It holds nothing: what is in it anybody may buy.

use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Form, sku_code};
use crate::shop::answers::Cart;
use crate::shop::api::Call;
use crate::shop::cookies::Kept;
use crate::shop::frame::{Frame, page};
use crate::shop::refused::Refused;
use crate::shop::visitor::{Visitor, with_cookies};

#[derive(askama::Template)]
#[template(path = "shop/cart.html")]
struct CartPage {
    frame: Frame,
    cart: Cart,
}

pub async fn show(visitor: Visitor) -> Result<Response, Refused> {
    // Signing in could not do it then.
    let is_one = visitor.has_two_carts() && visitor.merge_carts().await?;
    let cart = visitor.cart().await?.unwrap_or_default();
    let page = page(&CartPage { frame: visitor.frame_with(Some(&cart)), cart });
    if !is_one {
        return Ok(page);
    }
    let forget = Kept::Guest.forget(visitor.shop.behind_tls);
    Ok((with_cookies([forget]), page).into_response())
}

impl CartPage {
    /// Whether everything in it can be asked for, if need be by waiting.
    fn can_be_checked_out(&self) -> bool {
        !self.cart.items.is_empty() && !self.cart.items.iter().any(|item| item.is_gone())
    }
}

/// What the form of a product sends.
#[derive(Debug, Deserialize)]
pub struct PutIn {
    sku: String,
    quantity: i64,
}

/// Puts more of a SKU in.
pub async fn put(visitor: Visitor, Form(put_in): Form<PutIn>) -> Result<Response, Refused> {
    let sku = sku_code(put_in.sku)?;
    let (visitor, cookie) = visitor.with_cart().await?;
    let more = json!({"quantity": put_in.quantity});
    visitor.ask(Call::post(format!("/v1/cart/items/{sku}"), more)).await?;
    let there = visitor.told("told-put-in", "/shop/cart");
    Ok(match cookie {
        Some(cookie) => (with_cookies([cookie]), there).into_response(),
        None => there,
    })
}

/// What the form of one thing in the cart sends: how many, or that it is to be taken out.
#[derive(Debug, Deserialize)]
pub struct Change {
    sku: String,
    quantity: i64,
    #[serde(default)]
    remove: Option<String>,
}

pub async fn change(visitor: Visitor, Form(change): Form<Change>) -> Result<Response, Refused> {
    let path = format!("/v1/cart/items/{}", sku_code(change.sku)?);
    let call = if change.remove.is_some() || change.quantity <= 0 {
        Call::delete(path)
    } else {
        Call::put(path, json!({"quantity": change.quantity}))
    };
    visitor.ask(call).await?;
    Ok(Redirect::to("/shop/cart").into_response())
}

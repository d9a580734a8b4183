//! A cart: a guest fills one, signs in and checks it out.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{Shop, say};

/// Frank fills a cart as a guest, and it is his once he has signed in; what he checks out is held and leaves it.
pub(crate) async fn a_cart_is_checked_out(shop: &Shop) -> anyhow::Result<()> {
    let sku = format!("sticker-{}", shop.run);
    let sticker = json!({"name": "Sticker", "price_won": 500, "on_hand": 10});
    let (status, _) = shop.call("shop", Method::PUT, &format!("/v1/skus/{sku}"), sticker).await?;
    ensure!(status == 201, "the SKU was not created: {status}");

    let made = shop.http.post(format!("{}/v1/cart/guests", shop.url)).send().await?;
    let made: Value = made.error_for_status()?.json().await?;
    let guest = made["guest"].as_str().context("a guest has a secret")?;
    let item = format!("{}/v1/cart/items/{sku}", shop.url);
    let put = shop.http.put(item).header("Holdfast-Guest", guest).json(&json!({"quantity": 3}));
    let cart: Value = put.send().await?.error_for_status()?.json().await?;
    ensure!(cart["amount_won"] == 1_500, "the guest's cart is {cart}");

    let merge = shop.http.post(format!("{}/v1/cart/merge", shop.url)).bearer_auth(&shop.token);
    let merge =
        merge.header("Holdfast-Customer", format!("frank-{}", shop.run)).header("Holdfast-Guest", guest);
    let merged: Value = merge.send().await?.error_for_status()?.json().await?;
    ensure!(merged["items"][0]["quantity"] == 3, "frank's cart is {merged}");
    let free = shop.get("shop", &format!("/v1/skus/{sku}")).await?;
    ensure!(free["reserved"] == 0, "a cart holds stock: {free}");

    let (status, order) =
        shop.post("frank", "/v1/cart/checkout", json!({"expected_amount_won": 1_500})).await?;
    ensure!(status == 201 && order["status"] == "held", "frank's cart is not held: {status} {order}");
    let id = Uuid::parse_str(order["id"].as_str().unwrap_or_default())?;
    let cart = shop.get("frank", "/v1/cart").await?;
    let is_right = cart["items"] == json!([]) && cart["last_checkout"]["order_id"] == json!(id);
    ensure!(is_right, "frank's cart is {cart}");
    say(13, "frank puts 3 stickers into a cart as a guest, signs in and checks out: held, the cart is empty");
    Ok(())
}

//! The story of Holdfast against a running one: an order that is paid from a wallet, one that expires and whose unit the
//! next buyer pays for by card, an order that is refused, one that is paid from three sources and given back, a cart that is
//! checked out. Exits
//! non-zero when anything differs. `make demo` runs it.

mod carts;
mod effects;
mod holds;
mod lines;
mod money;
mod shop;

use anyhow::{Context as _, ensure};
use reqwest::{Client, Method};
use serde_json::json;
use uuid::Uuid;

use shop::{Shop, say};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let variable =
        |name: &str| std::env::var(name).with_context(|| format!("{name} is not set: use `make demo`"));
    let shop = Shop {
        http: Client::new(),
        url: variable("HOLDFAST_URL")?,
        token: variable("HOLDFAST_SHOP_TOKEN")?,
        run: Uuid::new_v4().simple().to_string()[..8].to_owned(),
    };
    let sku = format!("poster-{}", shop.run);
    let poster = json!({"name": "Concert poster", "price_won": 15_000, "on_hand": 2});
    let (status, _) = shop.call("shop", Method::PUT, &format!("/v1/skus/{sku}"), poster).await?;
    ensure!(status == 201, "the SKU was not created: {status}");
    say(1, "the shop has 2 posters at 15,000 won");

    let paid = holds::an_order_is_paid(&shop, &sku).await?;
    let card = holds::a_unit_comes_back(&shop, &sku).await?;
    money::a_card_pays(&shop, &card).await?;
    let shirts = format!("shirt-{}", shop.run);
    let shirt = json!({"name": "Tour shirt", "price_won": 20_000, "on_hand": 1});
    shop.call("shop", Method::PUT, &format!("/v1/skus/{shirts}"), shirt).await?;
    money::money_comes_and_goes(&shop, &shirts).await?;
    effects::a_payment_takes_effect(&shop, &paid).await?;
    carts::a_cart_is_checked_out(&shop).await?;
    lines::a_line_moves(&shop).await?;

    let posters = shop.get("shop", &format!("/v1/skus/{sku}")).await?;
    let shirts = shop.get("shop", &format!("/v1/skus/{shirts}")).await?;
    let is_right =
        posters["available"] == 0 && posters["on_hand"] == posters["reserved"] && shirts["available"] == 1;
    ensure!(is_right, "the stock is {posters} and {shirts}");
    say(
        15,
        &format!("the books agree: {} posters and {} shirt on hand", posters["on_hand"], shirts["on_hand"]),
    );
    println!("\nAll as it should be.");
    Ok(())
}

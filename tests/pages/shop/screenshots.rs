//! The pictures of the shop for README and docs, taken by `make screenshots`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use super::stage::{Stage, hold_like_a_phone, order_shown};
use crate::browser::Browser;
use crate::support::eventually;

async fn take(browser: &Browser, name: &str) {
    let pictures = "return [...document.images].every(image => image.complete && image.naturalWidth > 0)";
    eventually("all pictures are there", async || {
        (browser.run(pictures, vec![]).await == json!(true)).then_some(())
    })
    .await;
    let picture = browser.client.screenshot().await.unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}

/// Puts the demo's goods on the shelves, of which a sale begins soon.
async fn stock_the_shelves(stage: &Stage) {
    let goods = include_str!("../../../demo/shop/products.jsonl");
    let begins: String = sqlx::query_scalar(
        "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 hour', 'YYYY-MM-DD\"T\"HH24:00:00\"Z\"')",
    )
    .fetch_one(&stage.world.pool)
    .await
    .unwrap();
    let goods = goods.replace("@SALE_FROM@", &begins);
    let import = stage.shop.request(Method::POST, "/v1/catalogue/import");
    let import = import.header("Content-Type", "application/x-ndjson").body(goods);
    let made = stage.shop.send(import).await;
    assert_eq!(made.status, 200, "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it writes pictures: make screenshots"]
async fn screenshots_of_the_shop() {
    let stage = Stage::open_empty().await;
    stock_the_shelves(&stage).await;
    stage.shop.as_customer("nina").charge(50_000).await;
    let browser = stage.browser_of("nina").await;
    browser.prefer("light").await;
    browser.client.set_window_size(1100, 980).await.unwrap();
    browser.open("/shop").await;
    take(&browser, "shop").await;

    hold_like_a_phone(&browser).await;
    browser.open("/shop/products/tee").await;
    take(&browser, "shop-product").await;
    browser.click_on("Put into the cart").await;
    browser.until_shown("It is in your cart").await;
    browser.click_on("Check out").await;
    take(&browser, "shop-checkout").await;
    browser.click_on("Hold it for me").await;
    browser.until_shown("Held for you").await;
    let order = order_shown(&browser).await;
    take(&browser, "shop-held").await;
    browser.click_on("Pay ₩").await;
    browser.until_shown("Paid. Thank you!").await;
    stage.shop.as_customer("nina").until(&order, "paid").await;
    take(&browser, "shop-paid").await;
    browser.open("/shop/products/candle").await;
    browser.click_on("Wait for it").await;
    browser.until_shown("You are next").await;
    browser.click_on("한국어").await;
    browser.until_shown("줄을 서고 있습니다").await;
    take(&browser, "shop-waiting").await;
}

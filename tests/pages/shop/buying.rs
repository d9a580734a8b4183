//! From a product to a paid order.

use serde_json::json;

use super::stage::{Stage, hold_like_a_phone, order_shown};
use crate::browser::{Browser, ENTER};
use crate::support::eventually;

/// Puts a mug into the cart and has it held.
async fn hold_a_mug(browser: &Browser) -> String {
    browser.open("/shop/products/mug").await;
    browser.click_on("Put into the cart").await;
    browser.until_shown("It is in your cart").await;
    browser.click_on("Check out").await;
    browser.click_on("Hold it for me").await;
    browser.until_shown("Held for you").await;
    order_shown(browser).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_pays_by_card_on_a_phone_and_going_back_pays_nothing_twice() {
    let stage = Stage::open().await;
    let browser = stage.browser_of("alice").await;
    hold_like_a_phone(&browser).await;
    browser.open("/shop").await;
    browser.click_on("Blue mug").await;
    let order = hold_a_mug(&browser).await;

    let left = browser.text().await;
    eventually("the clock runs", async || (browser.text().await != left).then_some(())).await;
    // Nothing is wider than the screen.
    let is_narrow = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.run(is_narrow, vec![]).await, json!(true));

    browser.click_on("Pay ₩12,000").await;
    browser.until_shown("Checkout (simulated)").await;
    browser.click_on("Pay").await;
    browser.until_shown("Paid. Thank you!").await;
    assert_eq!(stage.shop.as_customer("alice").status(&order).await, "paid");

    // To the window, and to the page from which the buyer left for it.
    browser.client.back().await.unwrap();
    browser.client.back().await.unwrap();
    browser.open(&format!("/shop/orders/{order}")).await;
    let text = browser.text().await;
    assert!(text.contains("Paid. Thank you!") && !text.contains("left to pay"), "{text}");
    assert_eq!(stage.world.count("SELECT count(*) FROM payments").await, 1);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_closed_or_a_card_that_is_declined_leaves_the_hold_as_it_is() {
    let stage = Stage::open().await;
    let browser = stage.browser_of("alice").await;
    let order = hold_a_mug(&browser).await;
    for (button, told) in [("Close", "The window was closed"), ("Decline", "the card was declined")] {
        browser.click_on("Pay ₩12,000").await;
        browser.until_shown("Checkout (simulated)").await;
        browser.click_on(button).await;
        browser.until_shown(told).await;
        browser.until_shown("left to pay").await;
    }
    browser.click_on("I need ten minutes more").await;
    browser.until_shown("You have ten minutes more").await;
    browser.click_on("Call it off").await;
    browser.until_shown("Called off").await;
    assert_eq!(stage.shop.as_customer("alice").status(&order).await, "cancelled");
    assert_eq!(stage.shop.available("mug").await, 10);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_presses_twice_pays_once_and_two_tabs_lose_nothing() {
    let stage = Stage::open().await;
    stage.product("tea", "Green tea", 3_000, 10, json!({})).await;
    stage.shop.as_customer("alice").charge(50_000).await;
    let browser = stage.browser_of("alice").await;

    // Two tabs put two things in.
    browser.open("/shop/products/mug").await;
    let first = browser.client.window().await.unwrap();
    let second = browser.client.new_window(true).await.unwrap().handle;
    browser.client.switch_to_window(second).await.unwrap();
    browser.open("/shop/products/tea").await;
    browser.client.switch_to_window(first.clone()).await.unwrap();
    browser.click_on("Put into the cart").await;
    browser.until_shown("It is in your cart").await;
    let handles = browser.client.windows().await.unwrap();
    let second = handles.into_iter().find(|handle| *handle != first).unwrap();
    browser.client.switch_to_window(second).await.unwrap();
    browser.click_on("Put into the cart").await;
    browser.until_shown("Blue mug").await;
    browser.until_shown("Green tea").await;

    browser.click_on("Check out").await;
    let twice = "const button = [...document.querySelectorAll('main button')].find(b => b.textContent.includes(arguments[0]));
                 button.click(); button.click();";
    browser.run(twice, vec![json!("Hold it for me")]).await;
    browser.until_shown("Held for you").await;
    let order = order_shown(&browser).await;
    browser.run(twice, vec![json!("Pay ₩15,000")]).await;
    browser.until_shown("Paid. Thank you!").await;
    assert_eq!(stage.world.count("SELECT count(*) FROM orders").await, 1);
    assert_eq!(stage.world.count("SELECT count(*) FROM payments").await, 1);
    let wallet = stage.shop.as_customer("alice").get("/v1/wallet").await;
    assert_eq!(wallet.body["balance_won"], 35_000, "{order}");
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_and_in_korean_everything_works() {
    let stage = Stage::open().await;
    stage.shop.as_customer("alice").charge(20_000).await;
    let browser = stage.browser_of("alice").await;
    browser.run_no_scripts().await;
    browser.open("/shop").await;
    browser.click_on("한국어").await;
    browser.until_shown("12,000원").await;
    browser.click_on("Blue mug").await;
    browser.click_on("장바구니에 담기").await;
    browser.until_shown("장바구니에 담았습니다").await;
    browser.click_on("주문하기").await;
    browser.click_on("상품 확보하기").await;
    browser.until_shown("상품을 확보했습니다").await;
    browser.click_on("12,000원 결제하기").await;
    browser.until_shown("결제가 끝났습니다").await;
    browser.click_on("내 주문").await;
    browser.until_shown("Blue mug").await;
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    let stage = Stage::open().await;
    stage.shop.as_customer("alice").charge(20_000).await;
    let browser = stage.browser_of("alice").await;
    browser.open("/shop").await;
    browser.tab_to("#to-mug").await;
    browser.press(ENTER).await;
    browser.until_shown("Put into the cart").await;
    browser.tab_to(".buy button").await;
    browser.press(ENTER).await;
    browser.until_shown("It is in your cart").await;
    browser.tab_to("a[href='/shop/checkout']").await;
    browser.press(ENTER).await;
    browser.until_shown("Hold it for me").await;
    browser.tab_to("main form button").await;
    browser.press(ENTER).await;
    browser.until_shown("Held for you").await;
    browser.tab_to(".pay button").await;
    browser.press(ENTER).await;
    browser.until_shown("Paid. Thank you!").await;
    stage.finish().await;
}

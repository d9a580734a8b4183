//! Guests who become customers.

use super::stage::{Stage, order_shown};
use crate::browser::Browser;
use crate::support::mailbox::link_in;

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_fills_a_cart_signs_in_by_mail_and_takes_it_along() {
    let stage = Stage::open().await;
    let browser = Browser::start(&stage.shop.base).await;
    browser.open("/shop").await;
    browser.click_on("Blue mug").await;
    browser.click_on("Put into the cart").await;
    browser.until_shown("It is in your cart").await;
    browser.click_on("Check out").await;
    browser.until_shown("We mail you a link").await;
    browser.fill("#email", "mina@example.com").await;
    browser.click_on("Mail me a link").await;
    browser.until_shown("A link is on its way to mina@example.com").await;

    let (headers, text) = stage.mails.take();
    assert!(headers.contains("To: mina@example.com"), "{headers}");
    let confirm = format!("/shop/sign-in/confirm?link={}", link_in(&text));
    // A program that looks through mails uses nothing up.
    for _ in 0..2 {
        reqwest::get(format!("{}{confirm}", stage.shop.base)).await.unwrap();
    }
    browser.open(&confirm).await;
    browser.click("main button").await;
    // Where they wanted to go, with what they had.
    browser.until_shown("Hold it for me").await;
    browser.until_shown("Blue mug").await;
    browser.click_on("Hold it for me").await;
    browser.until_shown("Held for you").await;
    let order = order_shown(&browser).await;

    // The link is used up, for whoever else has it.
    let other = Browser::start(&stage.shop.base).await;
    other.open(&confirm).await;
    other.click("main button").await;
    other.until_shown("This link is not good any more").await;
    other.open(&format!("/shop/orders/{order}")).await;
    other.until_shown("We mail you a link").await;

    browser.click_on("Sign out").await;
    browser.until_shown("Sign in").await;
    browser.open(&format!("/shop/orders/{order}")).await;
    browser.until_shown("We mail you a link").await;
    stage.finish().await;
}

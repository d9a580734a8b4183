//! What pages are like for those who read them otherwise than most.

use serde_json::json;

use super::stage::{Stage, hold_like_a_phone};
use crate::browser::Browser;

/// What axe finds serious on a page: rules and where they are broken.
async fn faults(browser: &Browser, axe: &str) -> Vec<String> {
    browser.run(axe, vec![]).await;
    let found = browser
        .client
        .execute_async(
            "const done = arguments[arguments.length - 1];
             axe.run(document).then(result => done(result.violations
                 .filter(broken => ['serious', 'critical'].includes(broken.impact))
                 .map(broken => broken.id + ': ' + broken.nodes.map(node => node.html).join(' | '))));",
            vec![],
        )
        .await
        .unwrap();
    serde_json::from_value(found).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_serious_on_any_page() {
    let path = std::env::var("HOLDFAST_TEST_AXE").expect("scripts/test.sh says where axe is");
    let axe = std::fs::read_to_string(path).unwrap();
    let stage = Stage::open().await;
    stage.product("candle", "Pine candle", 24_000, 0, json!({})).await;
    let alice = stage.shop.as_customer("alice");
    alice.charge(5_000).await;
    let held = alice.place("mug", 1, 900).await.text("id").to_owned();
    let paid = alice.place("mug", 1, 900).await.text("id").to_owned();
    alice.charge(20_000).await;
    alice.pay(&paid).await;
    let candle = json!({"items": [{"sku": "candle", "quantity": 1}], "on_shortage": "wait"});
    let waits = alice.post_as("w", "/v1/orders", &candle).await.text("id").to_owned();
    alice.put("/v1/cart/items/mug", &json!({"quantity": 2})).await;

    let browser = stage.browser_of("alice").await;
    let orders = [&held, &paid, &waits].map(|id| format!("/shop/orders/{id}"));
    let mut pages = vec![
        "/shop",
        "/shop?q=nothing",
        "/shop/products/mug",
        "/shop/products/candle",
        "/shop/cart",
        "/shop/checkout",
    ];
    pages.extend(["/shop/orders", "/shop/wallet", "/shop/nowhere-at-all", "/shop/sign-in/confirm?link=x"]);
    pages.extend(orders.iter().map(String::as_str));
    let mut found = vec![];
    for (scheme, is_phone) in [("light", false), ("dark", true)] {
        browser.prefer(scheme).await;
        if is_phone {
            hold_like_a_phone(&browser).await;
        }
        for page in &pages {
            browser.open(page).await;
            found.extend(
                faults(&browser, &axe).await.into_iter().map(|fault| format!("{page} in {scheme}: {fault}")),
            );
            let wide = "return document.documentElement.scrollWidth > innerWidth";
            assert_eq!(browser.run(wide, vec![]).await, json!(false), "{page} is wider than the screen");
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    stage.finish().await;
}

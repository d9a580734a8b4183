//! The checkout window: the buyer's way to a payment key.

use holdfast::domain::gateway::{CallKey, GatewayOrderId, PaymentKey};
use holdfast::domain::money::Won;
use holdfast::gateway::port::{Confirm, ConfirmAnswer, Gateway as _};
use reqwest::Url;
use reqwest::redirect::Policy;
use std::collections::HashMap;

use crate::stage::Stage;

const ORDER: &str = "order-of-the-window";

fn fields(action: &str) -> Vec<(&str, &str)> {
    let (success, fail) = ("http://shop.example/paid?lang=ko", "http://shop.example/failed");
    let mut fields = vec![("orderId", ORDER), ("amount", "3000"), ("orderName", "Two mugs")];
    fields.extend([("successUrl", success), ("failUrl", fail), ("action", action)]);
    fields
}

/// Presses a button; where the browser is sent, and the query it brings.
async fn press(stage: &Stage, action: &str) -> (String, HashMap<String, String>) {
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let address = Url::parse_with_params(&stage.simulator.url(), fields(action)).unwrap();
    let answer = http
        .post(format!("{}/checkout", stage.simulator.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(address.query().unwrap().to_owned())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
    let location = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    (location.path().to_owned(), location.query_pairs().into_owned().collect())
}

#[tokio::test]
async fn paying_in_the_window_leads_back_with_a_payment_that_can_be_confirmed() {
    let stage = Stage::new().await;
    let (path, query) = press(&stage, "pay").await;
    assert_eq!((path.as_str(), query["lang"].as_str()), ("/paid", "ko"));
    assert_eq!((query["paymentType"].as_str(), query["amount"].as_str()), ("NORMAL", "3000"));
    let ask = Confirm {
        payment: PaymentKey::parse(query["paymentKey"].as_str()).unwrap(),
        order: GatewayOrderId::parse(query["orderId"].as_str()).unwrap(),
        amount: Won(3_000),
        call_key: CallKey::parse("once").unwrap(),
    };
    assert!(matches!(stage.toss.confirm(&ask).await, ConfirmAnswer::Approved(_)));
}

#[tokio::test]
async fn declining_and_closing_lead_back_with_a_code() {
    let stage = Stage::new().await;
    let (path, query) = press(&stage, "decline").await;
    assert_eq!((path.as_str(), query["code"].as_str()), ("/failed", "REJECT_CARD_COMPANY"));
    assert_eq!(query["orderId"], ORDER);
    let (path, query) = press(&stage, "close").await;
    assert_eq!((path.as_str(), query["code"].as_str()), ("/failed", "PAY_PROCESS_CANCELED"));
    assert!(!query.contains_key("orderId"));
}

#[tokio::test]
async fn the_window_shows_what_is_paid_and_sends_nobody_to_a_script() {
    let stage = Stage::new().await;
    let address = format!("{}/checkout", stage.simulator.url());
    let page = reqwest::get(Url::parse_with_params(&address, fields("pay")).unwrap()).await.unwrap();
    assert_eq!(page.status(), 200);
    let text = page.text().await.unwrap();
    assert!(text.contains("Two mugs") && text.contains("3000 won"));
    let mut bad = fields("pay");
    bad[3].1 = "javascript:alert(1)";
    let answer = reqwest::get(Url::parse_with_params(&address, bad).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 400);
}

//! Money that is asked for stays in the trace of who asked.

use holdfast::telemetry::trace_parent::TraceParent;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::Stage;
use crate::support::messages::{take, trace_of};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl Stage {
    async fn post_in_trace(&self, path: &str, body: &Value) {
        let request = self.shop.request(Method::POST, path).header("traceparent", PARENT);
        let request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
        let answer = self.shop.send(request.json(body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    async fn next_is_in_trace(&self, queue: &str) {
        let message = take(&self.world, queue).await;
        assert_eq!(trace_of(&message.properties), TraceParent::parse(PARENT), "{queue}");
    }
}

#[tokio::test]
async fn asking_a_gateway_goes_on_with_the_trace_of_the_payment_or_charge() {
    let stage = Stage::without_resolvers().await;
    let (order, key) = stage.held(1, 600).await;
    let body = json!({"method": "card", "payment_key": key, "amount_won": 1_000});
    stage.post_in_trace(&format!("/v1/orders/{order}/payments"), &body).await;
    stage.next_is_in_trace("payment.resolve").await;

    let body = json!({"amount_won": 5_000, "method": "card"});
    let charge = stage.shop.post("/v1/wallet/charges", &body).await.text("id").to_owned();
    let key = stage.authenticate(&charge, 5_000).await;
    let body = json!({"payment_key": key, "amount_won": 5_000});
    stage.post_in_trace(&format!("/v1/wallet/charges/{charge}/payments"), &body).await;
    stage.next_is_in_trace("wallet.charge").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_refund_by_card_goes_on_with_the_trace_of_who_asked_for_it() {
    let stage = Stage::without_refunders().await;
    let order = stage.paid_by_card(1).await;
    stage.post_in_trace(&format!("/v1/orders/{order}/refunds"), &json!({})).await;
    stage.next_is_in_trace("refund.resolve").await;
    stage.finish().await;
}

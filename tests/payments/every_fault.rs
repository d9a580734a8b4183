//! Everything a gateway does wrong, in every call of ours and in its webhooks: the money moves once all the same.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::stage::Stage;

/// What goes wrong with one call.
fn faults() -> Vec<Value> {
    vec![
        json!({"kind": "late", "ms": 300}),
        json!({"kind": "slow", "ms": 1_800}),
        json!({"kind": "hang"}),
        json!({"kind": "hang", "done": true}),
        json!({"kind": "reset_before"}),
        json!({"kind": "done_then_reset"}),
        json!({"kind": "error", "status": 500}),
        json!({"kind": "error", "status": 500, "done": true}),
        json!({"kind": "error", "status": 400, "code": "PROVIDER_ERROR"}),
        json!({"kind": "error", "status": 409, "code": "IDEMPOTENT_REQUEST_PROCESSING"}),
        json!({"kind": "wrong_amount", "amount": 7}),
        json!({"kind": "wrong_order", "another": "somebody-elses-order"}),
        json!({"kind": "body", "status": 200, "text": "<html>"}),
    ]
}

/// The first such call of an order, or of a charge, goes wrong like this.
pub fn once(fault: &Value, on: &str, order: &str) -> Value {
    let mut fault = fault.clone();
    (fault["on"], fault["order_id"], fault["count"]) = (json!(on), json!(order), json!(1));
    fault
}

impl Stage {
    async fn add_faults(&self, calls: &[Value], webhooks: &[Value]) {
        self.control("POST", "faults", &json!({"calls": calls, "webhooks": webhooks})).await;
    }

    async fn is_paid_once(&self, order: &str, what: &Value) {
        self.shop.until(order, "paid").await;
        assert_eq!(self.balance(order).await, 1_000, "{what}");
    }
}

#[tokio::test]
async fn in_a_confirm_the_money_is_taken_once() {
    let stage = Stage::new().await;
    join_all(faults().iter().map(async |fault| {
        let (order, key) = stage.held(1, 600).await;
        stage.add_faults(&[once(fault, "confirm", &order)], &[]).await;
        stage.ask_to_pay(&order, &key, 1_000).await;
        stage.is_paid_once(&order, fault).await;
    }))
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn in_an_inquiry_it_is_repeated() {
    let stage = Stage::new().await;
    join_all(faults().iter().map(async |fault| {
        let (order, key) = stage.held(1, 600).await;
        let lost = once(&json!({"kind": "done_then_reset"}), "confirm", &order);
        stage.add_faults(&[lost, once(fault, "find", &order)], &[]).await;
        stage.ask_to_pay(&order, &key, 1_000).await;
        stage.is_paid_once(&order, fault).await;
    }))
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn in_a_cancel_or_the_inquiry_behind_it_the_money_goes_back_once() {
    let stage = Stage::new().await;
    let lost = json!({"kind": "done_then_reset"});
    let cases = faults().into_iter().flat_map(|fault| [("cancel", fault.clone()), ("find", fault)]);
    join_all(cases.map(async |(on, fault)| {
        let order = stage.paid_by_card(2).await;
        let mut calls = vec![once(&fault, on, &order)];
        if on == "find" {
            calls.push(once(&lost, "cancel", &order));
        }
        stage.add_faults(&calls, &[]).await;
        stage.ask_to_refund(&order, json!({"items": [{"sku": "mug", "quantity": 1}]})).await;
        stage.shop.until(&order, "partly_refunded").await;
        assert_eq!(stage.balance(&order).await, 1_000, "{on}: {fault}");
    }))
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn webhooks_that_come_twice_late_or_out_of_order_have_one_effect() {
    let stage = Stage::new().await;
    let kinds = [
        json!({"kind": "duplicate", "times": 3}),
        json!({"kind": "reordered"}),
        json!({"kind": "delayed", "ms": 2_000}),
        json!({"kind": "dropped"}),
        json!({"kind": "never"}),
    ];
    join_all(kinds.iter().map(async |kind| {
        let (order, key) = stage.held(2, 600).await;
        let mut told = kind.clone();
        told["order_id"] = json!(order);
        let lost = once(&json!({"kind": "done_then_reset"}), "confirm", &order);
        stage.add_faults(&[lost], &[told]).await;
        stage.ask_to_pay(&order, &key, 2_000).await;
        stage.shop.until(&order, "paid").await;
        stage.ask_to_refund(&order, json!({"items": [{"sku": "mug", "quantity": 1}]})).await;
        stage.shop.until(&order, "partly_refunded").await;
        assert_eq!(stage.balance(&order).await, 1_000, "{kind}");
    }))
    .await;
    // Days later the gateway tells all of it again, the captures as well.
    let facts = stage.world.count("SELECT count(*) FROM order_events").await;
    let told = stage.control("GET", "webhooks", &Value::Null).await;
    for webhook in told["webhooks"].as_array().unwrap() {
        let id = webhook["id"].as_str().unwrap();
        stage.control("POST", &format!("webhooks/{id}/resend"), &Value::Null).await;
    }
    crate::support::eventually("what they ask for is done", async || {
        (stage.world.depth("payment.resolve").await == 0).then_some(())
    })
    .await;
    assert_eq!(stage.world.count("SELECT count(*) FROM order_events").await, facts);
    stage.finish().await;
}

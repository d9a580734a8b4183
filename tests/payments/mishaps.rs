//! Whatever goes wrong between us and the gateway, the money is taken once and the order is paid, or neither.

use serde_json::{Value, json};

use crate::stage::Stage;

/// One confirm goes wrong like this, and the order is paid all the same.
async fn is_paid_in_spite_of(faults: Value) {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage.faults(faults).await;
    let answer = stage.pay(&order, &key, 1_000).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(stage.balance(&order).await, 1_000);
    assert_eq!(stage.world.count("SELECT count(*) FROM order_events WHERE type = 'order.paid'").await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_confirm_that_was_done_and_reset_is_found() {
    is_paid_in_spite_of(json!([{"on": "confirm", "kind": "done_then_reset", "count": 1}])).await;
}

#[tokio::test]
async fn a_confirm_that_was_reset_before_is_repeated() {
    is_paid_in_spite_of(json!([{"on": "confirm", "kind": "reset_before", "count": 1}])).await;
}

#[tokio::test]
async fn a_confirm_that_hangs_is_asked_for() {
    is_paid_in_spite_of(json!([{"on": "confirm", "kind": "hang", "done": true, "count": 1}])).await;
}

#[tokio::test]
async fn a_confirm_that_hangs_undone_is_repeated() {
    is_paid_in_spite_of(json!([{"on": "confirm", "kind": "hang", "count": 1}])).await;
}

#[tokio::test]
async fn a_500_that_was_done_is_found() {
    is_paid_in_spite_of(json!([{"on": "confirm", "kind": "error", "status": 500, "done": true, "count": 1}]))
        .await;
}

#[tokio::test]
async fn a_500_that_was_not_done_is_repeated() {
    is_paid_in_spite_of(json!([{"on": "confirm", "kind": "error", "status": 500, "count": 1}])).await;
}

#[tokio::test]
async fn an_answer_with_a_wrong_amount_is_not_believed() {
    is_paid_in_spite_of(json!([{"on": "confirm", "kind": "wrong_amount", "amount": 1, "count": 1}])).await;
}

#[tokio::test]
async fn a_code_that_settles_nothing_is_looked_up() {
    let code = json!({"on": "confirm", "kind": "error", "status": 400, "code": "PROVIDER_ERROR", "count": 1});
    is_paid_in_spite_of(json!([code])).await;
}

#[tokio::test]
async fn an_inquiry_that_fails_is_repeated() {
    is_paid_in_spite_of(json!([
        {"on": "confirm", "kind": "done_then_reset", "count": 1},
        {"on": "find", "kind": "reset_before", "count": 1},
        {"on": "find", "kind": "error", "status": 500, "count": 1},
    ]))
    .await;
}

#[tokio::test]
async fn a_payment_the_gateway_does_not_know_is_declined_after_several_inquiries() {
    let stage = Stage::new().await;
    let (order, _) = stage.held(1, 600).await;
    let answer = stage.pay(&order, "made-up-by-the-buyer", 1_000).await;
    assert_eq!((answer.status, answer.text("reason")), (402, "unknown_payment"), "{answer:?}");
    assert!(stage.world.count("SELECT not_found_count::bigint FROM payments").await >= 3);
    assert_eq!(stage.shop.status(&order).await, "held");
    stage.finish().await;
}

//! What a caller hears of payments that go wrong.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn the_caller_waits_for_a_payment_that_takes_several_calls() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage
        .faults(json!([
            {"on": "confirm", "kind": "done_then_reset", "count": 1},
            {"on": "find", "kind": "reset_before", "count": 1},
            {"on": "find", "kind": "error", "status": 500, "count": 1},
        ]))
        .await;
    let answer = stage.pay(&order, &key, 1_000).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(stage.balance(&order).await, 1_000);
    assert_eq!(stage.world.count("SELECT count(*) FROM order_events WHERE type = 'order.paid'").await, 1);
    stage.finish().await;
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

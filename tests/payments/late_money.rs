//! Money that came for an order that was no longer waiting for it.

use serde_json::json;

use crate::stage::Stage;

/// The gateway says no and takes the money all the same; it tells the truth later, by a webhook.
async fn order_with_money_to_come(stage: &Stage, mugs: i64) -> String {
    let (order, key) = stage.held(mugs, 3).await;
    let lie =
        json!({"on": "confirm", "kind": "error", "status": 400, "code": "REJECT_CARD_PAYMENT", "done": true});
    let later = json!([{"kind": "delayed", "ms": 6_000}]);
    stage.control("PUT", "faults", &json!({"calls": [lie], "webhooks": later})).await;
    assert_eq!(stage.pay(&order, &key, mugs * 1_000).await.status, 402);
    stage.shop.until(&order, "expired").await;
    order
}

#[tokio::test]
async fn pays_the_order_when_its_units_are_still_there() {
    let stage = Stage::new().await;
    let order = order_with_money_to_come(&stage, 2).await;
    stage.shop.until(&order, "paid").await;
    assert_eq!(stage.balance(&order).await, 2_000);
    assert_eq!(stage.world.count("SELECT on_hand::bigint FROM stock").await, 998);
    let late = "SELECT count(*) FROM order_events WHERE type = 'payment.late' AND data->>'paid' = 'true'";
    assert_eq!(stage.world.count(late).await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn is_not_given_up_because_the_gateway_cannot_be_asked_at_once() {
    let stage = Stage::new().await;
    let order = order_with_money_to_come(&stage, 2).await;
    let fails = json!({"calls": [{"on": "find", "kind": "reset_before", "count": 3}]});
    stage.control("POST", "faults", &fails).await;
    stage.shop.until(&order, "paid").await;
    stage.finish().await;
}

#[tokio::test]
async fn goes_back_when_the_units_are_gone() {
    let stage = Stage::new().await;
    let order = order_with_money_to_come(&stage, 2).await;
    stage.shop.stock("mug", 1).await;
    stage.until_payment_is(&order, "returned").await;
    assert_eq!(stage.balance(&order).await, 0);
    assert_eq!(stage.shop.status(&order).await, "expired");
    stage.finish().await;
}

#[tokio::test]
async fn goes_back_once_however_often_the_way_back_fails() {
    let stage = Stage::new().await;
    let order = order_with_money_to_come(&stage, 2).await;
    stage.shop.stock("mug", 1).await;
    stage
        .control(
            "POST",
            "faults",
            &json!({"calls": [
                {"on": "cancel", "kind": "reset_before", "count": 1},
                {"on": "cancel", "kind": "done_then_reset", "count": 1},
            ]}),
        )
        .await;
    stage.until_payment_is(&order, "returned").await;
    assert_eq!(stage.balance(&order).await, 0);
    stage.finish().await;
}

//! Money that came for an order that was no longer waiting for it.

use chrono::TimeDelta;
use holdfast::clock;
use holdfast::store::operators::tokens::Role;
use holdfast_workers::loops::sweep::{look_again, move_marks};
use serde_json::json;

use crate::stage::Stage;

/// The gateway says no and takes the money all the same; it tells the truth later, by a webhook.
pub async fn order_with_money_to_come(stage: &Stage, mugs: i64) -> String {
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

#[tokio::test]
async fn is_found_on_its_way_back_however_far_the_marks_have_come() {
    let stage = Stage::new().await;
    let order = order_with_money_to_come(&stage, 2).await;
    stage.shop.stock("mug", 1).await;
    // As old as the marks are behind, and hardly more: the older it is, the more rarely it is asked for.
    stage.world.execute("UPDATE payments SET created_at = now() - interval '70 seconds'").await;
    move_marks(&stage.world.pool).await;
    let no_way_back = json!({"calls": [{"on": "cancel", "kind": "reset_before", "count": 1_000}]});
    stage.control("POST", "faults", &no_way_back).await;
    stage.until_payment_is(&order, "returning").await;
    let operator = stage.shop.with_token(&stage.world.token(Role::Viewer, None).await);
    let money = operator.get("/v1/ops/money").await.body.to_string();
    assert!(money.contains(&order), "{money}");
    move_marks(&stage.world.pool).await;
    let money = operator.get("/v1/ops/money").await.body.to_string();
    assert!(money.contains(&order), "{money}");
    // A worker of the version before does not put the mark back: it is found when its time is looked at again.
    stage.world.execute("UPDATE open_marks SET ended_before = now()").await;
    let money = operator.get("/v1/ops/money").await.body.to_string();
    assert!(!money.contains(&order), "{money}");
    look_again(&stage.world.pool, clock::now() - TimeDelta::minutes(10), clock::now()).await;
    let money = operator.get("/v1/ops/money").await.body.to_string();
    assert!(money.contains(&order), "{money}");
    stage.control("PUT", "faults", &json!({})).await;
    stage.until_payment_is(&order, "returned").await;
    stage.finish().await;
}

/// "Declined" although the money was taken; the webhook tells the truth this much later.
async fn lie(stage: &Stage, webhook_after_ms: u64) {
    let lie = json!({"on": "confirm", "kind": "error", "status": 400, "code": "REJECT_CARD_PAYMENT",
        "done": true, "count": 1});
    let later = json!([{"kind": "delayed", "ms": webhook_after_ms}]);
    stage.control("PUT", "faults", &json!({"calls": [lie], "webhooks": later})).await;
}

#[tokio::test]
async fn finds_the_attempt_that_was_asked_and_not_a_later_one_of_another_amount() {
    let stage = Stage::new().await;
    stage.shop.charge(700).await;
    let order = stage.shop.place("mug", 1, 600).await.text("id").to_owned();
    let key = stage.authenticate(&order, 300).await;
    lie(&stage, 3_000).await;
    let mixed =
        json!({"method": "mixed", "wallet_won": 700, "card": {"payment_key": key, "amount_won": 300}});
    let path = format!("/v1/orders/{order}/payments");
    assert_eq!(stage.shop.post(&path, &mixed).await.status, 402);
    assert_eq!(stage.pay(&order, &key, 300).await.status, 422);
    stage.shop.until(&order, "paid").await;
    assert_eq!(stage.balance(&order).await, 300);
    assert_eq!(stage.shop.get("/v1/wallet").await.body["balance_won"], 0);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_while_its_key_is_being_asked_for_by_another_order() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    lie(&stage, 1_000).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 402);
    let other = stage.shop.place("mug", 1, 600).await.text("id").to_owned();
    stage.ask_to_pay(&other, &key, 1_000).await;
    stage.shop.until(&order, "paid").await;
    stage.until_payment_is(&other, "declined").await;
    stage.shop.until(&other, "held").await;
    assert_eq!(stage.balance(&order).await, 1_000);
    let (clean, report) = stage.reconcile(&[]);
    assert!(clean, "{report}");
    stage.finish().await;
}

//! Paying by card when nothing goes wrong but the buyer.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn an_approved_card_pays_the_order_and_sells_its_units() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(2, 600).await;
    let paid = stage.pay(&order, &key, 2_000).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    assert_eq!(paid.text("status"), "paid");
    assert_eq!(stage.balance(&order).await, 2_000);
    assert_eq!(stage.world.count("SELECT on_hand::bigint FROM stock").await, 998);
    assert_eq!(stage.world.count("SELECT reserved::bigint FROM stock").await, 0);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_clicks_take_the_money_once_and_all_hear_paid() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    let clicks = (0..10).map(|_| stage.pay(&order, &key, 1_000));
    for answer in futures_util::future::join_all(clicks).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(stage.balance(&order).await, 1_000);
    assert_eq!(stage.world.count("SELECT count(*) FROM order_events WHERE type = 'order.paid'").await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_declined_card_leaves_the_hold_and_another_card_may_pay() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage
        .faults(json!([{"on": "confirm", "kind": "decline", "code": "REJECT_CARD_PAYMENT", "count": 1}]))
        .await;
    let declined = stage.pay(&order, &key, 1_000).await;
    assert_eq!((declined.status, declined.problem()), (402, "payment-declined"));
    assert_eq!(declined.text("reason"), "card_declined");
    assert_eq!(stage.shop.status(&order).await, "held");
    let another = stage.authenticate(&order, 1_000).await;
    assert_eq!(stage.pay(&order, &another, 1_000).await.status, 200);
    assert_eq!(stage.balance(&order).await, 1_000);
    stage.finish().await;
}

#[tokio::test]
async fn a_declined_card_does_not_keep_the_hold_beyond_its_time() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 4).await;
    stage.faults(json!([{"on": "confirm", "kind": "decline"}])).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 402);
    stage.shop.until(&order, "expired").await;
    assert_eq!(stage.shop.available("mug").await, 1_000);
    stage.finish().await;
}

#[tokio::test]
async fn a_hold_that_falls_due_while_the_gateway_is_asked_is_kept_and_paid() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 3).await;
    stage.faults(json!([{"on": "confirm", "kind": "late", "ms": 1_400}])).await;
    let due: DateTime<Utc> = stage.shop.order(&order).await.text("expires_at").parse().unwrap();
    let soon = due - TimeDelta::seconds(1) - holdfast::clock::now();
    tokio::time::sleep(soon.to_std().unwrap_or_default()).await;
    let paid = stage.pay(&order, &key, 1_000).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    assert_eq!(stage.balance(&order).await, 1_000);
    stage.finish().await;
}

#[tokio::test]
async fn another_amount_than_the_orders_is_never_asked_for() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    for wrong in [0, 999, 1_001, -1_000] {
        let refused = stage.pay(&order, &key, wrong).await;
        assert_eq!(refused.status, 422, "{refused:?}");
    }
    assert_eq!(stage.balance(&order).await, 0);
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_payment_key_pays_for_one_order_only() {
    let stage = Stage::new().await;
    let (first, key) = stage.held(1, 600).await;
    let (second, _) = stage.held(1, 600).await;
    assert_eq!(stage.pay(&first, &key, 1_000).await.status, 200);
    let declined = stage.pay(&second, &key, 1_000).await;
    assert_eq!((declined.status, declined.text("reason")), (402, "key_in_use"));
    assert_eq!(stage.shop.status(&second).await, "held");
    stage.finish().await;
}

#[tokio::test]
async fn a_payment_key_of_another_order_takes_no_money() {
    let stage = Stage::new().await;
    let (first, key) = stage.held(1, 600).await;
    let (second, _) = stage.held(1, 600).await;
    // The gateway knows the key under another order; its answer is not about this one.
    let declined = stage.pay(&second, &key, 1_000).await;
    assert_eq!((declined.status, declined.text("reason")), (402, "unknown_payment"), "{declined:?}");
    assert_eq!(stage.balance(&first).await + stage.balance(&second).await, 0);
    assert_eq!(stage.shop.status(&second).await, "held");
    // The rightful order can use it now.
    assert_eq!(stage.pay(&first, &key, 1_000).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_bad_payment_key_is_refused_at_the_door() {
    let stage = Stage::new().await;
    let (order, _) = stage.held(1, 600).await;
    for bad in ["", "a/b", "..", "a b"] {
        assert_eq!(stage.pay(&order, bad, 1_000).await.status, 422);
    }
    stage.finish().await;
}

#[tokio::test]
async fn whoever_pays_otherwise_while_the_card_is_asked_has_paid_if_it_declines() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage.shop.charge(1_000).await;
    // The first answer never comes; what the second one says is a decline.
    stage
        .faults(json!([{"on": "confirm", "kind": "hang", "count": 1}, {"on": "confirm", "kind": "decline"}]))
        .await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    stage.shop.until(&order, "paying").await;
    let paid = stage.shop.pay(&order).await;
    assert_eq!((paid.status, paid.text("status")), (200, "paid"), "{paid:?}");
    assert_eq!(stage.balance(&order).await, 0);
    assert_eq!(stage.shop.get("/v1/wallet").await.body["balance_won"], 0);
    stage.finish().await;
}

#[tokio::test]
async fn one_key_is_one_way_to_pay() {
    let stage = Stage::new().await;
    let (order, _) = stage.held(1, 600).await;
    let path = format!("/v1/orders/{order}/payments");
    let poor = stage.shop.post_as("key-1", &path, &json!({"method": "wallet"})).await;
    assert_eq!(poor.status, 402);
    let other = stage.shop.post_as("key-1", &path, &json!({"method": "mixed", "points_won": 1_000})).await;
    assert_eq!((other.status, other.problem()), (422, "key-reused"));
    stage.finish().await;
}

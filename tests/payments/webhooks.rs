//! Webhooks are hints: stored once, believed never, and followed by a question to the gateway.

use serde_json::json;

use crate::stage::Stage;
use crate::support::eventually;
use crate::support::processes::Process;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[tokio::test]
async fn the_webhook_of_a_payment_that_nobody_answered_for_brings_it_to_its_end() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage.faults(json!([{"on": "confirm", "kind": "done_then_reset"}])).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    eventually("the webhook is stored", async || {
        (stage.world.count("SELECT count(*) FROM webhooks WHERE payment_id IS NOT NULL").await == 1)
            .then_some(())
    })
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn a_webhook_that_learns_nothing_does_not_end_the_asking() {
    let stage = Stage::without_resolvers().await;
    let (order, key) = stage.held(1, 600).await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    let waiting = async |messages: u32| {
        eventually("messages wait", async || {
            (stage.world.depth("payment.resolve").await == messages).then_some(())
        })
        .await;
    };
    waiting(1).await;
    stage.world.purge("payment.resolve").await;
    // The hint comes first, and the message that must not be lost right behind it.
    let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-21T00:00:00+09:00",
        "data": {"paymentKey": key, "orderId": order, "status": "DONE"}});
    let request = stage.shop.request(reqwest::Method::POST, "/v1/webhooks/toss");
    let request = request.header("tosspayments-webhook-transmission-id", "one").json(&body);
    assert_eq!(stage.shop.send(request).await.status, 200);
    waiting(1).await;
    holdfast_workers::loops::sweep::wake_unsettled(&stage.world.pool, &stage.world.publisher, 0, |_| true)
        .await
        .unwrap();
    waiting(2).await;
    stage.faults(json!([{"on": "confirm", "kind": "reset_before", "count": 1}])).await;
    let _worker = Process::worker(&stage.world, "payment.resolve=1");
    stage.shop.until(&order, "paid").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_duplicate_is_stored_once_and_pays_once() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage.control("PUT", "faults", &json!({"webhooks": [{"kind": "duplicate", "times": 3}]})).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    eventually("the webhook was sent four times", async || {
        let sent = stage.control("GET", "webhooks", &json!(null)).await.to_string();
        (sent.matches("\"status\"").count() > 0).then_some(())
    })
    .await;
    eventually("it is stored", async || {
        (stage.world.count("SELECT count(*) FROM webhooks").await == 1).then_some(())
    })
    .await;
    assert_eq!(stage.balance(&order).await, 1_000);
    stage.finish().await;
}

#[tokio::test]
async fn a_webhook_about_a_stranger_is_stored_as_unmatched() {
    let stage = Stage::new().await;
    let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-21T00:00:00+09:00",
        "data": {"paymentKey": "nobody", "orderId": "nobodys-order", "status": "DONE"}});
    for _ in 0..2 {
        let request = stage.shop.request(reqwest::Method::POST, "/v1/webhooks/toss");
        let request = request.header("tosspayments-webhook-transmission-id", "one").json(&body);
        assert_eq!(stage.shop.send(request).await.status, 200);
    }
    assert_eq!(stage.world.count("SELECT count(*) FROM webhooks WHERE payment_id IS NULL").await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn where_webhooks_are_signed_a_forged_or_stale_one_is_refused_and_nothing_is_stored() {
    let stage = Stage::with_secrets(&[SECRET]).await;
    let send = async |id: &str, timestamp: i64, signature: &str| {
        let request = stage.shop.request(reqwest::Method::POST, "/v1/webhooks/toss");
        let request = request.header("webhook-id", id).header("webhook-timestamp", timestamp.to_string());
        let request = request.header("webhook-signature", signature);
        stage.shop.send(request.json(&json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {}}))).await
    };
    let now = holdfast::clock::now().timestamp();
    assert_eq!(send("a", now, "v1,AAAA").await.status, 401);
    assert_eq!(send("b", now - 600, "v1,AAAA").await.problem(), "not-signed");
    assert_eq!(stage.world.count("SELECT count(*) FROM webhooks").await, 0);
    stage.finish().await;
}

#[tokio::test]
async fn a_signed_webhook_is_taken_and_stored_as_signed() {
    let stage = Stage::with_secrets(&[SECRET]).await;
    let signed = json!({"webhook_format": "standard", "webhook_secrets": [SECRET]});
    stage.control("PUT", "settings", &signed).await;
    let (order, key) = stage.held(1, 600).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    eventually("it is stored", async || {
        (stage.world.count("SELECT count(*) FROM webhooks WHERE signed").await == 1).then_some(())
    })
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn an_unknown_provider_is_not_found() {
    let stage = Stage::new().await;
    assert_eq!(stage.shop.post("/v1/webhooks/somebody", &json!({})).await.status, 404);
    stage.finish().await;
}

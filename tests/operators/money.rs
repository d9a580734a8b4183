//! Money that may need a person, through all three faces.

use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::face::holdfast;
use crate::stage::Stage;
use crate::support::eventually;

/// What a gateway tells by itself, as anybody may send it.
async fn tell(stage: &Stage, id: &str, payment_key: &str, order: &str) {
    let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-21T00:00:00+09:00",
        "data": {"paymentKey": payment_key, "orderId": order, "status": "DONE"}});
    let request = stage.shop.request(Method::POST, "/v1/webhooks/toss");
    let request = request.header("tosspayments-webhook-transmission-id", id);
    assert_eq!(stage.shop.send(request.json(&body)).await.status, 200);
}

/// What is told of money on its way, in the order of its kinds.
fn told(view: &Value) -> Vec<(String, String, i64, bool)> {
    let mut told: Vec<_> = view["on_its_way"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            (text("kind"), text("status"), one["amount_won"].as_i64().unwrap(), one["order_id"].is_string())
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn what_a_gateway_has_not_settled_is_listed_until_it_is() {
    let stage = Stage::new().await;
    let viewer = stage.shop.with_token(&stage.world.token(Role::Viewer, None).await);
    let nothing = json!({
        "on_its_way": [], "more_on_its_way": false, "unmatched_webhooks": [], "more_unmatched_webhooks": false,
        "strange_webhooks": [], "more_strange_webhooks": false
    });
    assert_eq!(viewer.get("/v1/ops/money").await.body, nothing);

    let (refunded, key) = stage.held(2, 600).await;
    assert_eq!(stage.pay(&refunded, &key, 2_000).await.status, 200);
    let charge = stage.shop.post("/v1/wallet/charges", &json!({"amount_won": 5_000, "method": "card"})).await;
    let charge = charge.text("id").to_owned();
    let charge_key = stage.authenticate(&charge, 5_000).await;
    let mallory = stage.shop.as_customer("<i>mallory");
    let order = mallory.place("mug", 1, 600).await.text("id").to_owned();
    let key = stage.authenticate(&order, 1_000).await;
    stage
        .faults(json!([
            {"on": "confirm", "kind": "done_then_reset"},
            {"on": "cancel", "kind": "reset_before"},
            {"on": "find", "kind": "error"},
        ]))
        .await;
    let pay = json!({"method": "card", "payment_key": key, "amount_won": 1_000});
    let path = format!("/v1/orders/{order}/payments");
    assert_eq!(mallory.send(mallory.request(Method::POST, &path).json(&pay)).await.status, 202);
    let pay = json!({"payment_key": charge_key, "amount_won": 5_000});
    let path = format!("/v1/wallet/charges/{charge}/payments");
    let asked = stage.shop.send(stage.shop.request(Method::POST, &path).json(&pay)).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let path = format!("/v1/orders/{refunded}/refunds");
    let request = stage.shop.request(Method::POST, &path).header("Idempotency-Key", "broken");
    let asked = stage.shop.send(request.json(&json!({"reason": "it came broken"}))).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    tell(&stage, "<b>stray", "nobody", "nobodys-order").await;
    tell(&stage, "early", "key-of-another-window", &order).await;

    let open = |kind: &str, status: &str, won, is_order| (kind.to_owned(), status.to_owned(), won, is_order);
    let all = [
        open("charge", "unknown", 5_000, false),
        open("payment", "unknown", 1_000, true),
        open("refund", "requesting", 2_000, true),
    ];
    let view = eventually("all three are listed", async || {
        let view = viewer.get("/v1/ops/money").await.body;
        (told(&view) == all).then_some(view)
    })
    .await;
    assert_eq!(view["unmatched_webhooks"].as_array().unwrap().len(), 1, "{view}");
    assert_eq!(view["unmatched_webhooks"][0]["payment_key"], "key-of-another-window");
    assert_eq!(view["strange_webhooks"].as_array().unwrap().len(), 1, "{view}");
    assert_eq!(view["strange_webhooks"][0]["payment_key"], "nobody");
    let counted = viewer.get("/v1/ops/health").await.body["unmatched_webhooks"]["count"].clone();
    assert_eq!(counted, 1, "anybody can send webhooks about nobody");
    let page = viewer.get("/ops/money").await;
    let page = page.body.as_str().unwrap();
    for text in
        [&format!("/ops/orders/{order}"), &format!("/ops/orders/{refunded}"), &key, "&#60;b&#62;stray"]
    {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(
        page.contains("&#60;i&#62;mallory") && !page.contains("<i>mallory") && !page.contains("<b>stray")
    );
    let health = viewer.get("/ops/health").await;
    assert!(health.body.as_str().unwrap().contains("href=\"/ops/money\""), "{health:?}");
    let (code, printed) = holdfast(&stage.world, &["money"]).await;
    assert!(code == Some(0) && printed.contains(&order) && printed.contains("wallet of"), "{printed}");

    stage.faults(json!([])).await;
    eventually("everything is settled", async || {
        let view = viewer.get("/v1/ops/money").await.body;
        (view["on_its_way"] == json!([])).then_some(())
    })
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn a_list_of_webhooks_that_ends_before_all_were_looked_at_says_that_there_are_more() {
    let stage = Stage::new().await;
    let viewer = stage.shop.with_token(&stage.world.token(Role::Viewer, None).await);
    let (order, key) = stage.held(1, 600).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    // Thousands that came a little before their payment was asked for, and behind them one that nobody has asked for.
    sqlx::query(
        "INSERT INTO webhooks (provider, event_id, kind, payment_key, gateway_order_id, signed, received_at)
         SELECT 'toss', n, 'PAYMENT_STATUS_CHANGED', CASE WHEN n = 0 THEN 'nobody' ELSE $1 END, $2, false,
                now() - interval '2 hours' + n * interval '1 s'
           FROM generate_series(0, 3000) AS n",
    )
    .bind(&key)
    .bind(&order)
    .execute(&stage.world.pool)
    .await
    .unwrap();
    let view = viewer.get("/v1/ops/money").await.body;
    assert_eq!(view["unmatched_webhooks"], json!([]), "{view}");
    assert_eq!(view["more_unmatched_webhooks"], true);
    let page = viewer.get("/ops/money").await;
    assert!(page.body.as_str().unwrap().contains("there may be more"), "{page:?}");
    let (_, printed) = holdfast(&stage.world, &["money"]).await;
    assert!(printed.contains("0 or more webhooks"), "{printed}");
    stage.finish().await;
}

//! One order paid from wallet, points and card together: set aside first, then taken or given back.

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::Answer;
use crate::support::eventually;

impl Stage {
    /// A customer with 500 won, 400 points and an order of 1,000 won on hold.
    async fn with_purses(&self) -> String {
        self.shop.charge(500).await;
        self.points(400).await;
        self.shop.place("mug", 1, 600).await.text("id").to_owned()
    }

    async fn points(&self, amount_won: i64) -> Answer {
        self.shop.post("/v1/points/charges", &json!({"amount_won": amount_won})).await
    }

    async fn pay_mixed(&self, order: &str, body: Value) -> Answer {
        let mut body = body;
        body["method"] = json!("mixed");
        self.shop.post(&format!("/v1/orders/{order}/payments"), &body).await
    }

    /// What is in the wallet, what of it is set aside, and the same of the points.
    async fn purses(&self) -> [i64; 4] {
        let wallet = self.shop.get("/v1/wallet").await.body;
        let points = self.shop.get("/v1/points").await.body;
        [&wallet["balance_won"], &wallet["reserved_won"], &points["balance_won"], &points["reserved_won"]]
            .map(|amount| amount.as_i64().unwrap())
    }

    async fn three_parts(&self, order: &str) -> Value {
        let key = self.authenticate(order, 300).await;
        json!({"wallet_won": 500, "points_won": 200, "card": {"payment_key": key, "amount_won": 300}})
    }
}

#[tokio::test]
async fn an_order_is_paid_from_wallet_points_and_card_together() {
    let stage = Stage::new().await;
    let order = stage.with_purses().await;
    let parts = stage.three_parts(&order).await;
    let paid = stage.pay_mixed(&order, parts).await;
    assert_eq!((paid.status, paid.text("status")), (200, "paid"), "{paid:?}");
    assert_eq!(stage.purses().await, [0, 0, 200, 0]);
    assert_eq!(stage.balance(&order).await, 300);
    stage.finish().await;
}

#[tokio::test]
async fn while_the_card_is_asked_the_rest_is_set_aside_and_a_decline_gives_it_back() {
    let stage = Stage::new().await;
    let order = stage.with_purses().await;
    let parts = stage.three_parts(&order).await;
    // The first answer never comes; what the second one says is a decline.
    let faults = json!([{"on": "confirm", "kind": "hang", "count": 1}, {"on": "confirm", "kind": "decline"}]);
    stage.faults(faults).await;
    let mut body = parts;
    body["method"] = json!("mixed");
    let path = format!("/v1/orders/{order}/payments");
    let request = stage.shop.request(reqwest::Method::POST, &path).json(&body);
    assert_eq!(stage.shop.send(request).await.status, 202);
    stage.shop.until(&order, "paying").await;
    assert_eq!(stage.purses().await, [0, 500, 200, 200]);
    // Nobody else can spend it, and the wallet's limit counts it.
    let full = stage.shop.post("/v1/wallet/charges", &json!({"amount_won": 100_000})).await;
    assert_eq!(full.problem(), "wallet-full");
    stage.until_payment_is(&order, "declined").await;
    stage.shop.until(&order, "held").await;
    assert_eq!(stage.purses().await, [500, 0, 400, 0]);
    assert_eq!(stage.balance(&order).await, 0);
    stage.finish().await;
}

#[tokio::test]
async fn points_and_wallet_alone_pay_at_once() {
    let stage = Stage::new().await;
    let order = stage.with_purses().await;
    stage.points(200).await;
    let paid = stage.pay_mixed(&order, json!({"wallet_won": 400, "points_won": 600})).await;
    assert_eq!((paid.status, paid.text("status")), (200, "paid"), "{paid:?}");
    assert_eq!(stage.purses().await, [100, 0, 0, 0]);
    stage.finish().await;
}

#[tokio::test]
async fn a_mixed_payment_that_does_not_add_up_or_is_not_covered_takes_nothing() {
    let stage = Stage::new().await;
    let order = stage.with_purses().await;
    let cases = [
        (json!({"wallet_won": 500, "points_won": 400}), 422, "invalid"),
        (json!({}), 422, "invalid"),
        (json!({"wallet_won": 501, "points_won": 499}), 402, "insufficient_balance"),
        (json!({"wallet_won": 500, "points_won": 500}), 402, "insufficient_points"),
        (json!({"wallet_won": -1, "points_won": 1_001}), 422, "invalid"),
        (json!({"wallet_won": 999, "card": {"payment_key": "key", "amount_won": 0}}), 422, "invalid"),
        (json!({"wallet_won": 999, "card": {"payment_key": "key"}}), 422, "invalid"),
    ];
    for (body, status, reason) in cases {
        let answer = stage.pay_mixed(&order, body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        if status == 402 {
            assert_eq!(answer.body["reason"], reason);
        }
    }
    assert_eq!(stage.purses().await, [500, 0, 400, 0]);
    assert_eq!(stage.shop.status(&order).await, "held");
    stage.finish().await;
}

#[tokio::test]
async fn late_money_of_a_mixed_payment_pays_only_if_the_rest_is_still_there() {
    for (spent, state, balance) in [(false, "paid", 300), (true, "held", 0)] {
        let stage = Stage::new().await;
        let order = stage.with_purses().await;
        let parts = stage.three_parts(&order).await;
        // The gateway says no and takes the money all the same; it tells the truth by a webhook.
        let lie = json!({"on": "confirm", "kind": "error", "status": 400, "code": "REJECT_CARD_PAYMENT",
            "done": true, "count": 1});
        let later = json!([{"kind": "delayed", "ms": 2_000}]);
        stage.control("PUT", "faults", &json!({"calls": [lie], "webhooks": later})).await;
        assert_eq!(stage.pay_mixed(&order, parts).await.status, 402);
        if spent {
            let other = stage.shop.place("mug", 1, 600).await.text("id").to_owned();
            stage.points(600).await;
            let paid = stage.pay_mixed(&other, json!({"wallet_won": 500, "points_won": 500})).await;
            assert_eq!(paid.status, 200);
        }
        eventually("the money is noticed", async || {
            let late = "SELECT count(*) FROM order_events WHERE type = 'payment.late'";
            (stage.world.count(late).await == 1).then_some(())
        })
        .await;
        if spent {
            stage.until_payment_is(&order, "returned").await;
        }
        stage.shop.until(&order, state).await;
        assert_eq!(stage.balance(&order).await, balance);
        stage.finish().await;
    }
}

#[tokio::test]
async fn two_mixed_payments_at_once_cannot_spend_the_same_points() {
    let stage = Stage::new().await;
    stage.points(1_500).await;
    let first = stage.shop.place("mug", 1, 600).await.text("id").to_owned();
    let second = stage.shop.place("mug", 1, 600).await.text("id").to_owned();
    let body = json!({"points_won": 1_000});
    let (one, other) = tokio::join!(stage.pay_mixed(&first, body.clone()), stage.pay_mixed(&second, body));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 402]);
    assert_eq!(stage.purses().await, [0, 0, 500, 0]);
    stage.finish().await;
}

#[tokio::test]
async fn a_card_key_in_use_leaves_the_order_to_the_next_payment_of_the_same_batch() {
    let stage = Stage::new().await;
    let (paid, key) = stage.held(1, 600).await;
    assert_eq!(stage.pay(&paid, &key, 1_000).await.status, 200);
    stage.shop.charge(1_000).await;
    let order = stage.shop.place("mug", 1, 600).await.text("id").to_owned();
    let (card, wallet) = tokio::join!(stage.pay(&order, &key, 1_000), stage.shop.pay(&order));
    assert_eq!(wallet.status, 200, "{wallet:?}");
    assert!(card.status == 402 || card.status == 200, "{card:?}");
    stage.finish().await;
}

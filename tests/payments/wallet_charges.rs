//! A wallet charged by card: the money is taken once and the wallet filled once, or neither.

mod crashes;
mod late_money;
mod limits;
mod mishaps;
mod truth;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::Stage;
use crate::support::client::{Answer, Client};
use crate::support::eventually;

/// Everything that a shop does about charges.
trait Charges {
    async fn place_charge(&self, amount_won: i64) -> String;
    async fn ask_to_pay_charge(&self, id: &str, key: &str, amount_won: i64) -> Answer;
    async fn pay_charge(&self, id: &str, key: &str, amount_won: i64) -> Answer;
    async fn read_charge(&self, id: &str) -> Answer;
    async fn until_charge_is(&self, id: &str, status: &str);
    async fn wallet(&self) -> i64;
}

impl Charges for Client {
    async fn place_charge(&self, amount_won: i64) -> String {
        let charge =
            self.post("/v1/wallet/charges", &json!({"amount_won": amount_won, "method": "card"})).await;
        assert_eq!((charge.status, charge.text("status")), (201, "open"), "{charge:?}");
        charge.text("id").to_owned()
    }

    /// Pays without waiting for what comes of it.
    async fn ask_to_pay_charge(&self, id: &str, key: &str, amount_won: i64) -> Answer {
        let body = json!({"payment_key": key, "amount_won": amount_won});
        let path = format!("/v1/wallet/charges/{id}/payments");
        self.send(self.request(Method::POST, &path).json(&body)).await
    }

    async fn pay_charge(&self, id: &str, key: &str, amount_won: i64) -> Answer {
        let body = json!({"payment_key": key, "amount_won": amount_won});
        self.post(&format!("/v1/wallet/charges/{id}/payments"), &body).await
    }

    async fn read_charge(&self, id: &str) -> Answer {
        self.get(&format!("/v1/wallet/charges/{id}")).await
    }

    async fn until_charge_is(&self, id: &str, status: &str) {
        eventually(&format!("charge {id} becomes {status}"), async || {
            (self.read_charge(id).await.text("status") == status).then_some(())
        })
        .await;
    }

    /// What can be spent.
    async fn wallet(&self) -> i64 {
        self.get("/v1/wallet").await.body["balance_won"].as_i64().unwrap()
    }
}

impl Stage {
    /// An open charge of the stage's customer, and the key of its payment.
    async fn charge(&self, amount_won: i64) -> (String, String) {
        let id = self.shop.place_charge(amount_won).await;
        let key = self.authenticate(&id, amount_won).await;
        (id, key)
    }

    /// How often the gateway was asked to take money.
    async fn confirms(&self) -> i64 {
        let books = self.control("GET", "books", &Value::Null).await;
        books["calls"]["confirm"].as_i64().unwrap_or(0)
    }

    /// A webhook about a charge, as the gateway sends it.
    async fn send_webhook(&self, charge: &str, key: &str) {
        let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-21T00:00:00+09:00",
            "data": {"paymentKey": key, "orderId": charge, "status": "DONE"}});
        let request = self.shop.request(Method::POST, "/v1/webhooks/toss");
        let id = Uuid::now_v7().to_string();
        let request = request.header("tosspayments-webhook-transmission-id", id).json(&body);
        assert_eq!(self.shop.send(request).await.status, 200);
    }
}

#[tokio::test]
async fn an_approved_card_fills_the_wallet() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.wallet().await, 0);
    let posted = stage.shop.pay_charge(&id, &key, 5_000).await;
    assert_eq!((posted.status, posted.text("status")), (200, "posted"), "{posted:?}");
    assert_eq!(posted.body["balance_won"], 5_000);
    assert_eq!(stage.shop.read_charge(&id).await.body, posted.body);
    assert_eq!((stage.shop.wallet().await, stage.balance(&id).await), (5_000, 5_000));
    let entries = "SELECT count(*) FROM ledger_entries WHERE account = 'gateway' AND amount_won = -5000";
    assert_eq!(stage.world.count(entries).await, 1);
    // It pays an order like any other money.
    let order = stage.shop.place("mug", 5, 600).await.text("id").to_owned();
    assert_eq!(stage.shop.pay(&order).await.status, 200);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_clicks_take_the_money_once_and_all_hear_posted() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    let clicks = (0..10).map(|_| stage.shop.pay_charge(&id, &key, 5_000));
    for answer in futures_util::future::join_all(clicks).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(stage.shop.ask_to_pay_charge(&id, &key, 5_000).await.status, 200);
    // A second tab changes nothing either.
    let other = stage.authenticate(&id, 5_000).await;
    assert_eq!(stage.shop.pay_charge(&id, &other, 5_000).await.status, 200);
    assert_eq!((stage.shop.wallet().await, stage.balance(&id).await), (5_000, 5_000));
    stage.finish().await;
}

#[tokio::test]
async fn a_declined_card_adds_nothing_and_another_charge_may_be_paid() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    stage.faults(json!([{"on": "confirm", "kind": "decline", "count": 1}])).await;
    for _ in 0..2 {
        let declined = stage.shop.pay_charge(&id, &key, 5_000).await;
        assert_eq!((declined.status, declined.problem()), (402, "payment-declined"));
        assert_eq!((declined.text("reason"), declined.text("charge_id")), ("card_declined", id.as_str()));
    }
    assert_eq!(stage.shop.read_charge(&id).await.text("status"), "declined");
    let (another, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.pay_charge(&another, &key, 5_000).await.status, 200);
    assert_eq!(stage.shop.wallet().await, 5_000);
    stage.finish().await;
}

#[tokio::test]
async fn a_charge_is_placed_once_per_key_and_shows_how_it_stands() {
    let stage = Stage::new().await;
    let place = async |body: Value| stage.shop.post_as("key-1", "/v1/wallet/charges", &body).await;
    let first = place(json!({"amount_won": 5_000, "method": "card"})).await;
    assert_eq!(first.status, 201);
    let again = place(json!({"amount_won": 5_000, "method": "card"})).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    for other in [json!({"amount_won": 5_000}), json!({"amount_won": 5_001, "method": "card"})] {
        assert_eq!(place(other).await.problem(), "key-reused");
    }
    let id = first.text("id").to_owned();
    let key = stage.authenticate(&id, 5_000).await;
    assert_eq!(stage.shop.pay_charge(&id, &key, 5_000).await.status, 200);
    assert_eq!(place(json!({"amount_won": 5_000, "method": "card"})).await.text("status"), "posted");
    stage.finish().await;
}

#[tokio::test]
async fn what_is_forged_is_refused_before_the_gateway_is_asked() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    for wrong in [0, 1, 4_999, 5_001, -5_000] {
        assert_eq!(stage.shop.pay_charge(&id, &key, wrong).await.status, 422, "{wrong}");
    }
    for bad in ["", "a/b", "..", "a b"] {
        assert_eq!(stage.shop.pay_charge(&id, bad, 5_000).await.status, 422, "{bad}");
    }
    let mallory = stage.shop.as_customer("mallory");
    assert_eq!(mallory.pay_charge(&id, &key, 5_000).await.status, 404);
    assert_eq!(mallory.read_charge(&id).await.status, 404);
    assert_eq!(stage.shop.read_charge("42").await.status, 404);
    for bad in [json!({"amount_won": 100_001, "method": "card"}), json!({"amount_won": 5, "method": "cash"})]
    {
        assert_eq!(stage.shop.post("/v1/wallet/charges", &bad).await.status, 422);
    }
    let vouched = stage.shop.charge(1_000).await.text("id").to_owned();
    assert_eq!(stage.shop.pay_charge(&vouched, &key, 1_000).await.status, 422);
    assert_eq!(stage.confirms().await, 0);
    assert_eq!(stage.shop.pay_charge(&id, &key, 5_000).await.status, 200);
    assert_eq!(stage.shop.pay_charge(&id, &key, 4_999).await.status, 422);
    stage.finish().await;
}

#[tokio::test]
async fn a_payment_key_fills_one_wallet_once_or_pays_for_one_order() {
    let stage = Stage::new().await;
    let (first, key) = stage.charge(1_000).await;
    assert_eq!(stage.shop.pay_charge(&first, &key, 1_000).await.status, 200);
    let second = stage.shop.place_charge(1_000).await;
    let refused = stage.shop.pay_charge(&second, &key, 1_000).await;
    assert_eq!((refused.status, refused.text("reason")), (402, "key_in_use"));
    assert_eq!(stage.shop.read_charge(&second).await.text("status"), "open");
    let (order, order_key) = stage.held(1, 600).await;
    let refused = stage.pay(&order, &key, 1_000).await;
    assert_eq!((refused.status, refused.text("reason")), (402, "key_in_use"));
    assert_eq!(stage.pay(&order, &order_key, 1_000).await.status, 200);
    let refused = stage.shop.pay_charge(&second, &order_key, 1_000).await;
    assert_eq!((refused.status, refused.text("reason")), (402, "key_in_use"));
    assert_eq!(stage.shop.wallet().await, 1_000);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_and_a_charge_that_race_for_a_key_do_not_both_get_it() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for number in 0..10 {
        let shop = stage.shop.as_customer(&format!("racer-{number}"));
        let order = shop.place("mug", 1, 600).await.text("id").to_owned();
        let charge = shop.place_charge(1_000).await;
        let key = stage.authenticate(&charge, 1_000).await;
        ids.push((shop, order, charge, key));
    }
    let races = ids.iter().map(|(shop, order, charge, key)| async move {
        let body = json!({"method": "card", "payment_key": key, "amount_won": 1_000});
        let path = format!("/v1/orders/{order}/payments");
        tokio::join!(shop.post(&path, &body), shop.pay_charge(charge, key, 1_000))
    });
    for (of_order, of_charge) in futures_util::future::join_all(races).await {
        // The key is the charge's at the gateway; whoever lost the race here has heard so.
        let reasons = [of_order.text("reason"), of_charge.body["reason"].as_str().unwrap_or("posted")];
        assert!(
            [["key_in_use", "posted"], ["unknown_payment", "key_in_use"]].contains(&reasons),
            "{reasons:?}"
        );
    }
    // After a lost race the charge is still open, and the key is free.
    for (shop, _, charge, key) in &ids {
        assert_eq!(shop.pay_charge(charge, key, 1_000).await.status, 200);
        assert_eq!((shop.wallet().await, stage.balance(charge).await), (1_000, 1_000));
    }
    stage.finish().await;
}

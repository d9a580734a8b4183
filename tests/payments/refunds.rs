//! Money that goes back: to where it came from, once, and with what it paid for.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::Answer;
use crate::support::eventually;
use crate::support::processes::Process;

const REFUNDERS: &str = "refund.resolve=1";

impl Stage {
    async fn refund(&self, order: &str, body: Value) -> Answer {
        self.shop.post(&format!("/v1/orders/{order}/refunds"), &body).await
    }

    /// Asks for a refund without waiting for what comes of it.
    pub async fn ask_to_refund(&self, order: &str, body: Value) {
        let request = self.shop.request(reqwest::Method::POST, &format!("/v1/orders/{order}/refunds"));
        let request = request.header("Idempotency-Key", uuid::Uuid::now_v7().to_string()).json(&body);
        assert_eq!(self.shop.send(request).await.status, 202);
    }

    /// An order of so many mugs, paid by card.
    pub async fn paid_by_card(&self, mugs: i64) -> String {
        let (order, key) = self.held(mugs, 600).await;
        assert_eq!(self.pay(&order, &key, mugs * 1_000).await.status, 200);
        order
    }

    async fn mugs(&self) -> i64 {
        self.shop.get("/v1/skus/mug").await.body["on_hand"].as_i64().unwrap()
    }
}

#[tokio::test]
async fn a_whole_order_goes_back_to_the_card_and_its_units_to_the_shelf() {
    let stage = Stage::new().await;
    let order = stage.paid_by_card(3).await;
    assert_eq!(stage.mugs().await, 997);
    let back = stage.refund(&order, json!({"reason": "changed their mind"})).await;
    assert_eq!((back.status, back.text("status")), (200, "refunded"), "{back:?}");
    assert_eq!(back.body["refunded_won"], 3_000);
    assert_eq!((stage.balance(&order).await, stage.mugs().await), (0, 1_000));
    let again = stage.refund(&order, json!({})).await;
    assert_eq!((again.status, again.problem()), (409, "wrong-state"));
    let refunds = stage.shop.get(&format!("/v1/orders/{order}/refunds")).await.body;
    assert_eq!(refunds.as_array().unwrap().len(), 1);
    assert_eq!(refunds[0]["reason"], "changed their mind");
    stage.finish().await;
}

#[tokio::test]
async fn chosen_units_go_back_and_are_sold_again_or_written_off() {
    let stage = Stage::new().await;
    let order = stage.paid_by_card(4).await;
    let one = stage.refund(&order, json!({"items": [{"sku": "mug", "quantity": 1, "restock": false}]})).await;
    assert_eq!((one.status, one.text("status")), (200, "partly_refunded"), "{one:?}");
    assert_eq!((stage.balance(&order).await, stage.mugs().await), (3_000, 996));
    let two =
        json!({"items": [{"sku": "mug", "quantity": 1}, {"sku": "mug", "quantity": 1, "restock": false}]});
    assert_eq!(stage.refund(&order, two).await.text("status"), "partly_refunded");
    assert_eq!((stage.balance(&order).await, stage.mugs().await), (1_000, 997));
    for (sku, quantity) in [("mug", 2), ("spoon", 1)] {
        let more = stage.refund(&order, json!({"items": [{"sku": sku, "quantity": quantity}]})).await;
        assert_eq!((more.status, more.problem()), (409, "refund-refused"), "{more:?}");
        assert_eq!(more.body["reason"], "too_many");
    }
    assert_eq!(stage.refund(&order, json!({"restock": false})).await.text("status"), "refunded");
    assert_eq!((stage.balance(&order).await, stage.mugs().await), (0, 997));
    stage.finish().await;
}

#[tokio::test]
async fn a_mixed_payment_goes_back_to_the_card_first_then_to_wallet_and_points() {
    let stage = Stage::new().await;
    stage.shop.charge(100_000).await;
    stage.shop.post("/v1/points/charges", &json!({"amount_won": 1_500})).await;
    let order = stage.shop.place("mug", 4, 600).await.text("id").to_owned();
    let key = stage.authenticate(&order, 1_500).await;
    let body = json!({"method": "mixed", "wallet_won": 1_000, "points_won": 1_500,
        "card": {"payment_key": key, "amount_won": 1_500}});
    assert_eq!(stage.shop.post(&format!("/v1/orders/{order}/payments"), &body).await.status, 200);
    // A refund never meets the wallet's limit, which is one of charges.
    stage.shop.charge(1_000).await;
    let mut left = Vec::new();
    for _ in 0..4 {
        let one = json!({"items": [{"sku": "mug", "quantity": 1}]});
        assert_eq!(stage.refund(&order, one).await.status, 200);
        let wallet = stage.shop.get("/v1/wallet").await.body["balance_won"].as_i64().unwrap();
        let points = stage.shop.get("/v1/points").await.body["balance_won"].as_i64().unwrap();
        left.push((stage.balance(&order).await, wallet, points));
    }
    let expected = [(500, 100_000, 0), (0, 100_500, 0), (0, 101_000, 500), (0, 101_000, 1_500)];
    assert_eq!(left, expected);
    stage.finish().await;
}

#[tokio::test]
async fn repeats_of_a_key_are_one_refund_and_another_body_is_refused() {
    let stage = Stage::new().await;
    let order = stage.paid_by_card(3).await;
    let path = format!("/v1/orders/{order}/refunds");
    let one = json!({"items": [{"sku": "mug", "quantity": 1}]});
    let clicks = join_all((0..5).map(|_| stage.shop.post_as("key-1", &path, &one))).await;
    assert!(clicks.iter().all(|answer| answer.status == 200), "{clicks:?}");
    let other = stage.shop.post_as("key-1", &path, &json!({})).await;
    assert_eq!((other.status, other.problem()), (422, "key-reused"));
    assert_eq!(stage.balance(&order).await, 2_000);
    stage.finish().await;
}

#[tokio::test]
async fn many_refunds_at_once_never_give_back_more_than_was_paid() {
    let stage = Stage::new().await;
    let order = stage.paid_by_card(5).await;
    let two = json!({"items": [{"sku": "mug", "quantity": 2}]});
    let answers = join_all((0..10).map(|_| stage.refund(&order, two.clone()))).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    let is_refused = |answer: &&Answer| answer.status == 409 && answer.problem() == "refund-refused";
    let refused = answers.iter().filter(is_refused).count();
    assert_eq!((done, refused), (2, 8), "{answers:?}");
    assert_eq!((stage.balance(&order).await, stage.mugs().await), (1_000, 999));
    stage.finish().await;
}

#[tokio::test]
async fn what_is_not_paid_cannot_go_back_and_no_customer_asks_for_it() {
    let stage = Stage::new().await;
    let (order, _) = stage.held(1, 600).await;
    let held = stage.refund(&order, json!({})).await;
    assert_eq!((held.status, held.problem()), (409, "wrong-state"));
    let bad = [
        json!({"items": []}),
        json!({"items": [{"sku": "mug", "quantity": 0}]}),
        json!({"items": [{"sku": "", "quantity": 1}]}),
        json!({"reason": "x".repeat(201)}),
        json!({"amount_won": 1}),
    ];
    for body in bad {
        assert_eq!(stage.refund(&order, body.clone()).await.status, 422, "{body}");
    }
    let customer = stage.world.token(holdfast::store::operators::tokens::Role::Customer, Some("alice")).await;
    let path = format!("/v1/orders/{order}/refunds");
    assert_eq!(stage.shop.with_token(&customer).post(&path, &json!({})).await.status, 403);
    assert_eq!(stage.shop.as_customer("bob").post(&path, &json!({})).await.status, 404);
    stage.finish().await;
}

#[tokio::test]
async fn a_refund_the_gateway_refuses_gives_nothing_back() {
    let stage = Stage::new().await;
    let order = stage.paid_by_card(2).await;
    let refusal = json!({"on": "cancel", "kind": "error", "status": 403, "code": "NOT_CANCELABLE_PAYMENT"});
    stage.faults(json!([refusal])).await;
    let refused = stage.refund(&order, json!({})).await;
    assert_eq!((refused.status, &refused.body["reason"]), (409, &json!("gateway")), "{refused:?}");
    assert_eq!(stage.shop.status(&order).await, "paid");
    stage.faults(json!([])).await;
    assert_eq!(stage.refund(&order, json!({})).await.text("status"), "refunded");
    stage.finish().await;
}

async fn goes_back_once_though_killed_at(point: &str) {
    let stage = Stage::without_refunders().await;
    let order = stage.paid_by_card(2).await;
    stage.ask_to_refund(&order, json!({"items": [{"sku": "mug", "quantity": 1}]})).await;
    let mut worker = Process::worker_paused_at(&stage.world, REFUNDERS, point).await;
    worker.kill();
    let _next = Process::worker(&stage.world, REFUNDERS);
    stage.shop.until(&order, "partly_refunded").await;
    assert_eq!((stage.balance(&order).await, stage.mugs().await), (1_000, 999));
    stage.finish().await;
}

#[tokio::test]
async fn a_worker_killed_before_it_asks_for_the_money() {
    goes_back_once_though_killed_at("before_call").await;
}

#[tokio::test]
async fn a_worker_killed_after_the_money_went_back() {
    goes_back_once_though_killed_at("after_call").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_commits_the_refund() {
    goes_back_once_though_killed_at("before_commit").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_acknowledges_the_refund() {
    goes_back_once_though_killed_at("after_publish").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_message_was_lost_is_woken() {
    let stage = Stage::without_refunders().await;
    let order = stage.paid_by_card(1).await;
    stage.ask_to_refund(&order, json!({})).await;
    eventually("it waits in its queue", async || {
        (stage.world.depth("refund.resolve").await == 1).then_some(())
    })
    .await;
    stage.world.purge("refund.resolve").await;
    let woken =
        holdfast_workers::loops::sweep::wake_unsettled(&stage.world.pool, &stage.world.publisher, 0, |_| {
            true
        })
        .await
        .unwrap();
    assert_eq!(woken, 1);
    let (clean, report) = stage.reconcile(&[]);
    assert!(!clean && report["differences"][0]["kind"] == "still_open", "{report}");
    let _worker = Process::worker(&stage.world, REFUNDERS);
    stage.shop.until(&order, "refunded").await;
    let (clean, report) = stage.reconcile(&[]);
    assert!(clean, "{report}");
    stage.finish().await;
}

#[tokio::test]
async fn a_units_limit_counts_what_was_given_back_as_not_bought() {
    let stage = Stage::new().await;
    let limited = json!({"name": "Mug", "price_won": 1_000, "max_per_customer": 2});
    assert_eq!(stage.shop.put("/v1/skus/mug", &limited).await.status, 200);
    let order = stage.paid_by_card(2).await;
    assert_eq!(stage.shop.place("mug", 1, 600).await.status, 409);
    stage.refund(&order, json!({"items": [{"sku": "mug", "quantity": 1}]})).await;
    assert_eq!(stage.shop.place("mug", 1, 600).await.status, 201);
    stage.finish().await;
}

#[tokio::test]
async fn what_was_given_back_at_the_gateway_itself_is_not_waited_for() {
    let stage = Stage::new().await;
    let order = stage.paid_by_card(1).await;
    let books = stage.control("GET", "books", &Value::Null).await;
    let payments = books["payments"].as_array().unwrap();
    let key = payments.iter().find(|payment| payment["orderId"] == order).unwrap()["paymentKey"].clone();
    let url = format!("{}/v1/payments/{}/cancel", stage.simulator.url(), key.as_str().unwrap());
    let body = json!({"cancelReason": "by hand, in the gateway's console"});
    let request = reqwest::Client::new().post(url).basic_auth("test_sk_simulator", Some("")).json(&body);
    assert!(request.send().await.unwrap().status().is_success());
    let refused = stage.refund(&order, json!({})).await;
    assert_eq!((refused.status, &refused.body["reason"]), (409, &json!("gateway")), "{refused:?}");
    stage.finish().await;
}

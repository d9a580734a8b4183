//! Wallets: charges within their cap, and money taken once.

use futures_util::future::join_all;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

async fn balance(shop: &Client) -> i64 {
    shop.get("/v1/wallet").await.body["balance_won"].as_i64().unwrap()
}

#[tokio::test]
async fn a_charge_adds_to_the_balance_up_to_the_cap() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let empty = shop.get("/v1/wallet").await;
    assert_eq!(
        (empty.status, &empty.body),
        (200, &json!({"balance_won": 0, "reserved_won": 0, "currency": "KRW"}))
    );
    let charged = shop.charge(99_999).await;
    assert_eq!(
        (charged.status, &charged.body["amount_won"], &charged.body["balance_won"]),
        (201, &json!(99_999), &json!(99_999))
    );
    let refused = shop.charge(2).await;
    assert_eq!(
        (refused.status, refused.problem(), &refused.body["balance_won"]),
        (409, "wallet-full", &json!(99_999))
    );
    assert_eq!(shop.charge(1).await.status, 201);
    assert_eq!(shop.charge(1).await.status, 409);
    assert_eq!(balance(&shop).await, 100_000);
    for amount in [0, -1, 100_001, i64::MAX, i64::MIN] {
        assert_eq!(shop.as_customer("bob").charge(amount).await.problem(), "unprocessable", "{amount}");
    }
    assert_eq!(balance(&shop.as_customer("bob")).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_charge_is_made_once_per_key_and_answered_the_same_ever_after() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let charge = async |key: &str, won: i64| {
        shop.post_as(key, "/v1/wallet/charges", &json!({"amount_won": won})).await
    };
    let first = charge("key-1", 60_000).await;
    charge("key-2", 10_000).await;
    let again = charge("key-1", 60_000).await;
    assert_eq!((first.status, again.status, &again.body), (201, 200, &first.body));
    let other = charge("key-1", 60_001).await;
    assert_eq!((other.status, other.problem()), (422, "key-reused"));

    let refused = charge("key-3", 50_000).await;
    assert_eq!((refused.status, refused.problem()), (409, "wallet-full"));
    world.execute("UPDATE balances SET amount_won = 0").await;
    let still = charge("key-3", 50_000).await;
    assert_eq!((still.status, &still.body), (409, &refused.body));
    world.execute("UPDATE balances SET amount_won = 70000").await;
    world.finish().await;
}

#[tokio::test]
async fn a_hundred_charges_of_a_new_wallet_at_once_keep_the_cap_and_the_ledger() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let one = async || {
        let key = Uuid::now_v7().to_string();
        // Under such a load "unavailable" is a fair answer, and the same key is the way on from it.
        eventually("the charge is answered", async || {
            let answer = shop.post_as(&key, "/v1/wallet/charges", &json!({"amount_won": 2_000})).await;
            (answer.status != 503).then_some(answer)
        })
        .await
    };
    let answers: Vec<Answer> = join_all((0..100).map(|_| one())).await;
    let charged = answers.iter().filter(|answer| [200, 201].contains(&answer.status)).count();
    let refused =
        answers.iter().filter(|answer| answer.status == 409 && answer.problem() == "wallet-full").count();
    assert_eq!((charged, refused), (50, 50));
    assert_eq!(balance(&shop).await, 100_000);
    assert_eq!(world.count("SELECT count(*) FROM balances").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM ledger_entries").await, 100);
    world.finish().await;
}

#[tokio::test]
async fn a_payment_takes_the_amount_once_and_sells_the_units() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    shop.charge(10_000).await;
    let held = shop.place("mug", 3, 60).await;
    let id = held.text("id");
    let clicks = join_all((0..5).map(|_| shop.pay(id))).await;
    for paid in clicks {
        assert_eq!(
            (paid.status, paid.text("status"), &paid.body["amount_won"]),
            (200, "paid", &json!(3_000))
        );
        assert_eq!(paid.body["items"], held.body["items"]);
    }
    assert_eq!(shop.pay(id).await.status, 200);
    assert_eq!(balance(&shop).await, 7_000);
    let mug = shop.get("/v1/skus/mug").await.body;
    assert_eq!(json!([mug["on_hand"], mug["reserved"], mug["available"]]), json!([2, 0, 2]));
    assert_eq!(world.count("SELECT count(*) FROM payments WHERE status = 'captured'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.paid'").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_declined_payment_leaves_the_hold_and_works_after_a_charge() {
    // Without a collector, a payment that dies stays in sight.
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold, Queue::PaymentConfirm]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 5).await;
    shop.charge(2_999).await;
    let held = shop.place("mug", 3, 60).await;
    let id = held.text("id");
    let pay = format!("/v1/orders/{id}/payments");
    let wallet = json!({"method": "wallet"});
    let declined = shop.post_as("click", &pay, &wallet).await;
    assert_eq!((declined.status, declined.problem()), (402, "payment-declined"));
    assert_eq!(declined.text("reason"), "insufficient_balance");
    assert_eq!((shop.order(id).await.lasting(), balance(&shop).await), (held.lasting(), 2_999));

    shop.charge(1).await;
    // The same click stays declined, also where the worker meets it again; a new one is a new attempt.
    assert_eq!(shop.post_as("click", &pay, &wallet).await.status, 402);
    let unwaited = shop.request(Method::POST, &pay).header("Idempotency-Key", "click").json(&wallet);
    assert_eq!(shop.send(unwaited).await.status, 202);
    // The one worker applies this payment after that one.
    let other = shop.as_customer("bob").place("mug", 1, 60).await;
    assert_eq!(shop.as_customer("bob").pay(other.text("id")).await.status, 402);
    assert_eq!((shop.status(id).await, balance(&shop).await), ("held".to_owned(), 3_000));
    assert_eq!(shop.post_as("click again", &pay, &wallet).await.status, 200);
    assert_eq!((balance(&shop).await, world.depth("payment.confirm.dead").await), (0, 0));
    world.finish().await;
}

#[tokio::test]
async fn only_a_hold_in_its_time_can_be_paid() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderCancel]);
    world.start_workers_of(&[Queue::PaymentConfirm]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 5).await;
    shop.charge(10_000).await;

    // Its time is up and nothing has released it: the payment itself does.
    let overdue = shop.place("mug", 1, 60).await;
    world.make_overdue(overdue.text("id")).await;
    for _ in 0..2 {
        let refused = shop.pay(overdue.text("id")).await;
        assert_eq!((refused.status, refused.problem()), (410, "expired"));
        assert_eq!(shop.status(overdue.text("id")).await, "expired");
    }
    let cancelled = shop.place("mug", 1, 60).await;
    shop.post(&format!("/v1/orders/{}/cancel", cancelled.text("id")), &json!({})).await;
    let refused = shop.place("mug", 50, 60).await;
    for id in [cancelled.text("id"), refused.text("order_id")] {
        let answer = shop.pay(id).await;
        assert_eq!((answer.status, answer.problem()), (409, "wrong-state"));
    }
    assert_eq!((balance(&shop).await, shop.available("mug").await), (10_000, 5));
    world.finish().await;
}

#[tokio::test]
async fn two_orders_paid_at_once_never_take_more_than_the_wallet_holds() {
    let (world, shop) = World::running().await;
    world.start_workers_of(&[Queue::PaymentConfirm]);
    shop.stock("mug", 50).await;
    shop.charge(3_500).await;
    let mut held = vec![];
    for _ in 0..8 {
        held.push(shop.place("mug", 1, 60).await.text("id").to_owned());
    }
    let answers = join_all(held.iter().map(|id| shop.pay(id))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let times = |status: u16| statuses.iter().filter(|own| **own == status).count();
    assert_eq!((times(200), times(402)), (3, 5), "{statuses:?}");
    assert_eq!(balance(&shop).await, 500);
    world.finish().await;
}

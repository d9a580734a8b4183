//! The end of a wait is told like a payment, and counts nothing.

use chrono::{DateTime, Utc};
use holdfast::config::DEFAULT_TIME_ZONE;
use holdfast::message::Queue;
use holdfast_workers::loops::serve_waiting;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{SECRET, Stage};
use crate::support::client::Client;
use crate::support::eventually;

/// An order for one print, of which there are none.
async fn wait_for_a_print(buyer: &Client) -> String {
    let body =
        json!({"items": [{"sku": "print", "quantity": 1}], "on_shortage": "wait", "hold_seconds": 600});
    let answer = buyer.post("/v1/orders", &body).await;
    assert_eq!((answer.status, answer.text("status")), (202, "waiting"), "{answer:?}");
    answer.text("id").to_owned()
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// An instant as mails tell it.
fn told(value: &Value) -> String {
    instant(value).with_timezone(&DEFAULT_TIME_ZONE).format("%Y-%m-%d %H:%M:%S KST").to_string()
}

#[tokio::test]
async fn who_waited_is_told_their_turn_or_that_it_did_not_come_and_nobody_else_is() {
    let stage = Stage::new().await;
    let (alice, bob, dave) = (&stage.shop, stage.shop.as_customer("bob"), stage.shop.as_customer("dave"));
    for (buyer, name) in [(&bob, "bob"), (&dave, "dave")] {
        buyer.put("/v1/customer", &json!({"email": format!("{name}@example.com")})).await;
    }
    stage.shop.stock("print", 1).await;
    // Held at once, and refused at once: that is nobody's news.
    let held = dave.place("print", 1, 600).await;
    assert_eq!((held.status, dave.place("print", 1, 600).await.status), (201, 409));
    let in_vain = wait_for_a_print(&bob).await;
    let served = wait_for_a_print(alice).await;

    sqlx::query("WITH own AS (UPDATE orders SET created_at = now() - interval '2 s', expires_at = now() WHERE id = $1)
                 UPDATE waiting_orders SET wait_until = now() WHERE order_id = $1")
        .bind(in_vain.parse::<Uuid>().unwrap()).execute(&stage.world.pool).await.unwrap();
    assert_eq!(serve_waiting::end_some(&stage.world.pool).await.unwrap(), 1);
    let mail = stage.smtp.wait_for(1).await.remove(0);
    assert_eq!(mail.to, "bob@example.com");
    assert_eq!(mail.header("Subject"), format!("Your turn did not come: order {in_vain}"));
    assert!(mail.text.contains("1 x The print: 1,000 won") && !mail.text.contains("To pay"), "{}", mail.text);
    let report = stage.platform.wait_for(1).await.remove(0);
    let body = report.body();
    assert_eq!((&body["type"], &body["data"]["order_id"]), (&json!("order.refused"), &json!(in_vain)));
    assert!(body["data"]["waiting_since"].is_string() && body["data"].get("expires_at").is_none(), "{body}");
    assert!(report.is_signed_by(SECRET));

    let cancelled = dave.post(&format!("/v1/orders/{}/cancel", held.text("id")), &json!({})).await;
    assert_eq!(cancelled.status, 200);
    let order = alice.order(&served).await.body;
    let mail = stage.smtp.wait_for(2).await.remove(1);
    assert_eq!(mail.to, "alice@example.com");
    assert_eq!(mail.header("Subject"), format!("It is your turn: order {served}"));
    for line in [format!("until {}.", told(&order["expires_at"])), "To pay: 1,000 won".to_owned()] {
        assert!(mail.text.contains(&line), "no {line} in {}", mail.text);
    }
    let body = stage.platform.wait_for(2).await[1].body();
    let data = &body["data"];
    assert_eq!((&body["type"], &data["order_id"]), (&json!("order.held"), &json!(served)));
    assert_eq!(
        (&data["expires_at"], &data["amount_won"], &data["items"]),
        (&order["expires_at"], &json!(1_000), &json!([{"sku": "print", "quantity": 1, "amount_won": 1_000}]))
    );
    assert!(instant(&data["waiting_since"]) < instant(&body["timestamp"]), "{body}");

    // The feed goes on past all of it, and only money counts.
    alice.charge(1_000).await;
    assert_eq!(alice.pay(&served).await.status, 200);
    stage.until_counted("alice", 1, 1_000, 0).await;
    stage.until_counted("bob", 0, 0, 0).await;
    stage.smtp.wait_for(3).await;
    stage.until_all_is_told().await;
    assert_eq!((stage.smtp.mails().len(), stage.platform.reports().len()), (3, 3));
    assert_eq!(stage.world.count("SELECT count(*) FROM effects").await, 6);
    stage.finish().await;
}

#[tokio::test]
async fn a_mail_that_calls_to_pay_is_not_sent_once_that_is_done_or_cannot_be_done() {
    let stage = Stage::without(&[Pool::Commands(Queue::MailSend)]).await;
    let alice = &stage.shop;
    stage.shop.stock("print", 0).await;
    let mut orders = vec![];
    for _ in 0..4 {
        orders.push(wait_for_a_print(alice).await);
    }
    let received = alice.post("/v1/skus/print/receipts", &json!({"units": 4, "reason": "more"})).await;
    assert_eq!(received.status, 200, "{received:?}");
    // The platform is told whatever comes after: these are facts.
    stage.platform.wait_for(4).await;
    let [cancelled, overdue, paid, extended] = &orders[..] else { unreachable!() };
    for (order, call) in [(cancelled, "cancel"), (extended, "extend")] {
        let done = alice.post(&format!("/v1/orders/{order}/{call}"), &json!({})).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    alice.charge(1_000).await;
    assert_eq!(alice.pay(paid).await.status, 200);
    stage.world.make_overdue(overdue).await;
    stage.platform.wait_for(5).await;

    stage.world.start_workers_of(&[Queue::MailSend]);
    stage.until_all_is_told().await;
    eventually("the mails of a payment and of a turn have come", async || {
        (stage.smtp.mails().len() == 2).then_some(())
    })
    .await;
    let (mails, until) = (stage.smtp.mails(), alice.order(extended).await.body["expires_at"].clone());
    let turn = mails.iter().find(|mail| mail.header("Subject").contains("your turn")).unwrap();
    assert!(turn.text.contains(extended) && turn.text.contains(&told(&until)), "{}", turn.text);
    assert_eq!((stage.ended("skipped").await, stage.ended("done").await), (3, 7));
    stage.finish().await;
}

//! Mails: one for each fact, to whoever left an address.

use holdfast::broker::envelope::Outgoing;
use holdfast::clock;
use holdfast::message::{Queue, SendMail, Version};
use holdfast_workers::pools::Pool;
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Stage, paid};
use crate::support::eventually;

/// A message about a fact that was told already, or not.
async fn ask_to_mail(stage: &Stage) {
    let sql = "SELECT event_id, order_id FROM effects WHERE kind = 'mail'";
    let (event_id, order): (i64, Uuid) = sqlx::query_as(sql).fetch_one(&stage.world.pool).await.unwrap();
    let command = SendMail { version: Version, event_id, order_id: order.into() };
    stage.world.publish(Outgoing::command(&command, clock::now(), None)).await;
}

/// Waits until nobody has a message in hand any more.
async fn until_read(stage: &Stage, queue: Queue) {
    let url = format!("{}/queues/{}/{queue}", stage.world.servers.rabbitmq_api, stage.world.vhost);
    eventually("every message is acknowledged", async || {
        let answer = reqwest::get(&url).await.unwrap().json::<serde_json::Value>().await.unwrap();
        (answer["messages"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_paid_order_makes_one_mail() {
    let stage = Stage::new().await;
    let order = stage.paid(2).await;
    let mail = stage.smtp.wait_for(1).await.remove(0);
    assert_eq!(mail.to, "alice@example.com");
    assert_eq!(mail.header("From"), "\"The shop\" <shop@example.com>");
    assert_eq!(mail.header("Subject"), format!("Your order {order} is paid"));
    assert!(mail.text.contains("2 x The mug: 2,000 won"), "{}", mail.text);
    stage.until_all_is_told().await;

    // Repeated messages find it told.
    ask_to_mail(&stage).await;
    ask_to_mail(&stage).await;
    until_read(&stage, Queue::MailSend).await;
    assert_eq!(stage.smtp.mails().len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_name_cannot_add_a_header() {
    let stage = Stage::new().await;
    let definition = json!({"name": "Bcc: mallory@example.com", "price_won": 1_000, "on_hand": 5});
    stage.shop.put("/v1/skus/trick", &definition).await;
    paid(&stage.shop, "trick", 1).await;
    let mail = stage.smtp.wait_for(1).await.remove(0);
    let (head, text) = mail.text.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("mallory") && text.contains("mallory"), "{}", mail.text);
    stage.finish().await;
}

#[tokio::test]
async fn who_left_no_address_gets_no_mail() {
    let stage = Stage::new().await;
    paid(&stage.shop.as_customer("bob"), "mug", 1).await;
    stage.until_counted("bob", 1, 1_000, 0).await;
    stage.platform.wait_for(1).await;
    assert_eq!((stage.ended("skipped").await, stage.smtp.mails().len()), (1, 0));
    stage.finish().await;
}

#[tokio::test]
async fn an_address_that_is_forgotten_meanwhile_is_not_written_to() {
    let stage = Stage::without(&[Pool::Commands(Queue::MailSend)]).await;
    stage.paid(1).await;
    stage.until_counted("alice", 1, 1_000, 0).await;
    stage.shop.put("/v1/customer", &json!({"email": null})).await;
    stage.world.start_workers_of(&[Queue::MailSend]);
    stage.until_all_is_told().await;
    assert_eq!((stage.ended("skipped").await, stage.smtp.mails().len()), (1, 0));
    stage.finish().await;
}

#[tokio::test]
async fn a_mail_server_that_is_down_gets_its_mail_when_it_is_up() {
    let stage = Stage::idle().await;
    stage.start_till();
    stage.world.start_workers(Pool::Feed);
    stage.world.start_workers_of(&[Queue::MailSend, Queue::OrderReport]);
    stage.paid(1).await;
    eventually("a try has failed", async || {
        let failed =
            "SELECT count(*) FROM effects WHERE attempts > 0 AND last_error IS NOT NULL AND due_at > now()";
        (stage.world.count(failed).await == 1).then_some(())
    })
    .await;
    stage.smtp.open().await;
    stage.smtp.wait_for(1).await;
    stage.until_all_is_told().await;
    assert_eq!(stage.smtp.mails().len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_temporary_refusal_is_tried_again() {
    let stage = Stage::new().await;
    stage.smtp.answer_next("451 later");
    stage.paid(1).await;
    stage.smtp.wait_for(1).await;
    stage.until_all_is_told().await;
    assert_eq!(stage.world.count("SELECT attempts::bigint FROM effects WHERE kind = 'mail'").await, 2);
    stage.finish().await;
}

#[tokio::test]
async fn a_definite_refusal_is_a_dead_letter_at_once_and_can_be_replayed() {
    let stage = Stage::new().await;
    stage.smtp.answer_next("550 nobody of that name");
    let order = stage.paid(1).await;
    let text = stage.world.dead_letter("refused").await;
    assert!(text.contains("550"), "{text}");
    assert_eq!((stage.ended("dead").await, stage.smtp.mails().len()), (1, 0));

    crate::reports::replay_all(&stage).await;
    let mail = stage.smtp.wait_for(1).await.remove(0);
    assert!(mail.text.contains(&order));
    stage.until_all_is_told().await;
    eventually("it is done", async || (stage.ended("dead").await == 0).then_some(())).await;
    stage.finish().await;
}

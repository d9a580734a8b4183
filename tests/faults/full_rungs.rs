//! A full queue holds up nothing but itself and what waits for others of its purpose.

use std::time::Duration;

use holdfast::broker::connection::Connector;
use holdfast::broker::delay::Rung;
use holdfast::message::Queue;
use lapin::BasicProperties;

use crate::support::eventually;
use crate::support::servers::Servers;
use crate::support::world::World;

const MAX_LENGTH: u32 = 20;
/// More than the broker's dead-letter worker has in its hands at once, so that a rung which waits for a full queue stands still.
const MAILS: usize = 1_200;

/// Has mails wait for a retry that their queue, which nobody reads, is too full to take.
async fn fill_with_mails(world: &World) {
    let connector = Connector::new(&world.amqp_url, "test mails");
    let channel = connector.channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    let rung = Rung::towards(Queue::MailSend, Duration::from_millis(500)).name();
    let mut sent = Vec::with_capacity(MAILS);
    for _ in 0..MAILS {
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let publish = channel.basic_publish(
            rung.as_str().into(),
            "mail.send".into(),
            Default::default(),
            b"{}",
            persistent,
        );
        sent.push(publish.await.unwrap());
    }
    for confirm in sent {
        assert!(confirm.await.unwrap().is_ack());
    }
    connector.close().await;
    eventually("mail.send is full", async || (world.depth("mail.send").await >= MAX_LENGTH).then_some(()))
        .await;
}

#[tokio::test]
async fn timers_and_money_pass_a_queue_of_mails_that_is_full() {
    let world = World::on(Servers::shared(), MAX_LENGTH).await;
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    fill_with_mails(&world).await;

    // No sweeper: only the timer can release the hold.
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderExpire, Queue::PaymentConfirm]);
    let held = shop.place("mug", 1, 3).await;
    assert_eq!(held.status, 201);
    shop.until(held.text("id"), "expired").await;
    // A payment of an order that nobody knows is tried again on the ladder of money, eight times, and then dies.
    let unknown = serde_json::json!({
        "version": 1, "command_id": uuid::Uuid::now_v7(), "order_id": uuid::Uuid::now_v7(),
        "customer_id": "alice", "method": "wallet", "use_points_won": 0,
    });
    world.publish_raw("payment.confirm", unknown.to_string().as_bytes()).await;
    eventually("the payment was tried again", async || {
        let mut deeper = 0;
        for delay in [1, 2, 4] {
            let rung = Rung::towards(Queue::PaymentConfirm, Duration::from_secs(delay)).name();
            deeper += world.depth(&rung).await;
        }
        (deeper > 0).then_some(())
    })
    .await;
    assert!(world.depth("mail.send").await >= MAX_LENGTH, "mails still wait");
    world.finish().await;
}

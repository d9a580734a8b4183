//! A queue that takes nothing more: what goes elsewhere is published once, and what it refused is found again.

use holdfast::broker::connection::Connector;
use holdfast::domain::gateway::PaymentKey;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::money::Won;
use holdfast::message::{CardPart, ConfirmPayment, PayBy, Queue, Version};
use holdfast_workers::loops::sweep;
use lapin::BasicProperties;

use crate::commands::{hold, named, publish, publish_strange};
use crate::poison::until_held;
use crate::support::eventually;
use crate::support::servers::Servers;
use crate::support::world::World;
use crate::too_slow::FORGOTTEN_CHARGE;

/// So many messages a command queue of these worlds takes, or a few more.
const MAX_LENGTH: u32 = 5;

#[tokio::test]
async fn a_full_queue_makes_nobody_publish_twice_what_the_broker_has_confirmed() {
    let world = World::on(Servers::shared(), MAX_LENGTH).await;
    world.start_api().await.stock("mug", 10).await;
    world.start_workers_of(&[Queue::OrderHold]);
    let order = hold("alice", &[("mug", 1)], 600);
    publish(&world, &order).await;
    until_held(&world, 1).await;
    fill(&world, Queue::PaymentResolve).await;

    // A runner begins with one message; the others are one batch.
    publish_strange(&world, "payment.confirm", named("first"), b"{").await;
    publish(&world, &by_card(order.order_id)).await;
    publish_strange(&world, "payment.confirm", named("second"), b"{").await;
    publish_strange(&world, "payment.confirm", named("third"), b"{").await;
    world.start_workers_of(&[Queue::PaymentConfirm]);
    until_one_more_dies(&world, 3).await;
    publish_strange(&world, "payment.confirm", named("fourth"), b"{").await;
    until_one_more_dies(&world, 4).await;

    // What the full queue refused is not lost: the sweeper finds it.
    world.purge("payment.resolve").await;
    eventually("the queue is empty", async || (world.depth("payment.resolve").await == 0).then_some(()))
        .await;
    world.execute("UPDATE payments SET created_at = now() - interval '5 min'").await;
    assert_eq!(sweep::wake_unsettled(&world.pool, &world.publisher, 90, |_| true).await.unwrap(), 1);
    assert_eq!(world.depth("payment.resolve").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn what_the_sweeper_could_not_publish_is_woken_soon_and_not_hours_later() {
    let world = World::on(Servers::shared(), MAX_LENGTH).await;
    let queues = [Queue::PaymentResolve, Queue::RefundResolve, Queue::WalletCharge, Queue::MailSend];
    for queue in queues {
        fill(&world, queue).await;
    }
    for forgotten in [FORGOTTEN_PAYMENT, FORGOTTEN_REFUND, FORGOTTEN_CHARGE, FORGOTTEN_EFFECT] {
        world.execute(forgotten).await;
    }
    wake(&world).await;
    for queue in queues {
        world.purge(queue.name()).await;
    }
    wake(&world).await;
    for queue in queues {
        assert_eq!(world.depth(queue.name()).await, 1, "{queue}");
    }
    // What was woken sleeps on until it is quiet for long again.
    wake(&world).await;
    for queue in queues {
        assert_eq!(world.depth(queue.name()).await, 1, "{queue}");
    }
    for forget in
        ["DELETE FROM refunds", "DELETE FROM payments", "DELETE FROM charges", "DELETE FROM effects"]
    {
        world.execute(forget).await;
    }
    world.finish().await;
}

const FORGOTTEN_PAYMENT: &str =
    "INSERT INTO payments (id, order_id, status, amount_won, wallet_won, points_won, card_won, payment_key, created_at)
     VALUES (gen_random_uuid(), gen_random_uuid(), 'requesting', 1000, 0, 0, 1000, 'key-of-a-payment',
             now() - interval '10 h')";
const FORGOTTEN_REFUND: &str =
    "INSERT INTO refunds (id, order_id, payment_id, status, amount_won, wallet_won, points_won, card_won, asked, reason,
                          created_at)
     VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'requesting', 1000, 0, 0, 1000, '{}', '',
             now() - interval '10 h')";
const FORGOTTEN_EFFECT: &str = "INSERT INTO effects (event_id, kind, order_id, due_at, created_at)
     VALUES (1, 'mail', gen_random_uuid(), now() - interval '10 h', now() - interval '10 h')";

/// One look of the sweeper for what was forgotten.
async fn wake(world: &World) {
    let _ = sweep::wake_unsettled(&world.pool, &world.publisher, 90, |_| true).await;
    let _ = sweep::wake_effects(&world.pool, &world.publisher, 90, |_| true).await;
}

async fn until_one_more_dies(world: &World, count: u32) {
    eventually("the rubbish is set aside", async || {
        (world.depth("payment.confirm.dead").await >= count).then_some(())
    })
    .await;
    assert_eq!(world.depth("payment.confirm.dead").await, count);
}

fn by_card(order_id: OrderId) -> ConfirmPayment {
    let payment_key = PaymentKey::parse("key-of-the-buyer").unwrap();
    let pay_by = PayBy::Card(CardPart { payment_key, amount_won: Won(1_000) });
    ConfirmPayment { version: Version, command_id: CommandId::fresh(), order_id, pay_by }
}

/// Publishes to a command queue until the broker refuses.
async fn fill(world: &World, queue: Queue) {
    let channel = Connector::new(&world.amqp_url, "test filler").channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    eventually("the queue is full", async || {
        let (key, properties) = (queue.name().into(), BasicProperties::default());
        let sent = channel.basic_publish("".into(), key, Default::default(), b"filler", properties);
        sent.await.unwrap().await.unwrap().is_nack().then_some(())
    })
    .await;
}

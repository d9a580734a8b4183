//! Commands as tests give them: published without HTTP, or applied by hand without a broker.

use chrono::TimeDelta;
use holdfast::broker::connection::Connector;
use holdfast::broker::envelope::{Incoming, Outgoing};
use holdfast::clock;
use holdfast::domain::ids::{CommandId, CustomerId, IdempotencyKey, OrderId, SkuCode};
use holdfast::domain::items::{HoldSeconds, Quantity, RequestedItem, RequestedItems};
use holdfast::domain::ledger::Purse;
use holdfast::domain::money::Won;
use holdfast::message::{Command, ConfirmPayment, ExpireOrders, HoldOrder, PayBy, Version, encode};
use holdfast::store::charges;
use holdfast_workers::engine::worker::{Applied, Delivered, Worker};
use lapin::BasicProperties;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::eventually;
use crate::support::world::World;

/// The command to hold units of some SKUs for a customer, under a key of its own.
pub fn hold(customer: &str, items: &[(&str, i64)], seconds: i64) -> HoldOrder {
    let customer_id = CustomerId::parse(customer).unwrap();
    let key = IdempotencyKey::parse(Uuid::now_v7().to_string()).unwrap();
    let item = |(sku, units): &(&str, i64)| RequestedItem {
        sku: SkuCode::parse(*sku).unwrap(),
        quantity: Quantity::parse(*units).unwrap(),
    };
    let items = RequestedItems::parse(items.iter().map(item).collect()).unwrap();
    let hold_seconds = HoldSeconds::parse(seconds).unwrap();
    HoldOrder {
        version: Version,
        order_id: OrderId::derive(&customer_id, &key),
        fingerprint: items.fingerprint(hold_seconds),
        expected_amount_won: None,
        wait: None,
        customer_id,
        items,
        hold_seconds,
    }
}

/// The command to pay an order, given once.
pub fn confirm(order_id: OrderId) -> ConfirmPayment {
    ConfirmPayment { version: Version, command_id: CommandId::fresh(), order_id, pay_by: PayBy::default() }
}

/// The wake-up call for orders that are due now. It was due a little before: a transaction that has begun already, and whose time
/// counts, does not find it early.
pub fn expire(order_ids: &[OrderId]) -> ExpireOrders {
    let due_at = clock::now() - TimeDelta::seconds(5);
    ExpireOrders { version: Version, due_at, order_ids: order_ids.to_vec() }
}

/// A command as a worker gets it.
pub fn delivered<C: Command>(message: C) -> Delivered<C> {
    let (queue, body) = (C::QUEUE.name().to_owned(), encode(&message));
    let incoming = Incoming {
        routing_key: queue.clone(),
        queue,
        delivery_tag: 1,
        attempt: 0,
        slow_tries: 0,
        properties: Default::default(),
        body,
    };
    Delivered { incoming, message }
}

/// Has a worker apply commands in an open transaction. A worker is not asked for less than all verdicts.
pub async fn apply<W: Worker>(tx: &mut PgConnection, worker: &W, commands: Vec<W::Message>) -> Applied
where
    W::Message: Command,
{
    let batch: Vec<_> = commands.into_iter().map(delivered).collect();
    let applied = worker.apply(tx, &batch).await.unwrap();
    assert_eq!(applied.verdicts.len(), batch.len());
    applied
}

/// [`apply`] in a transaction of its own.
pub async fn apply_alone<W: Worker>(world: &World, worker: &W, commands: Vec<W::Message>)
where
    W::Message: Command,
{
    let mut tx = world.pool.begin().await.unwrap();
    apply(&mut tx, worker, commands).await;
    tx.commit().await.unwrap();
}

/// Gives a command to the broker.
pub async fn publish(world: &World, command: &impl Command) {
    world.publish(Outgoing::command(command, clock::now(), None)).await;
}

/// Gives bytes to a command queue as a stranger would, with whatever properties.
pub async fn publish_strange(world: &World, queue: &str, properties: BasicProperties, body: &[u8]) {
    publish_strange_to(&world.amqp_url, queue, properties, body).await;
}

/// [`publish_strange`] as whoever this URL names.
pub async fn publish_strange_to(amqp_url: &str, queue: &str, properties: BasicProperties, body: &[u8]) {
    let connector = Connector::new(amqp_url, "test stranger");
    let channel = connector.channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    let sent = channel.basic_publish("commands".into(), queue.into(), Default::default(), body, properties);
    assert!(sent.await.unwrap().await.unwrap().is_ack());
    connector.close().await;
}

/// Properties that name a message and nothing else.
pub fn named(message_id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(message_id.into())
}

/// Puts money into a customer's wallet.
pub async fn charge(world: &World, customer: &str, amount: i64) {
    let mut tx = world.pool.begin().await.unwrap();
    let customer = CustomerId::parse(customer).unwrap();
    charges::charge(&mut tx, CommandId::fresh(), &customer, Purse::Wallet, Won(amount)).await.unwrap();
    tx.commit().await.unwrap();
}

/// Waits until one transaction of this world waits for another.
pub async fn until_somebody_waits_for_a_lock(world: &World) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("a transaction waits for a lock", async || (world.count(waiting).await == 1).then_some(()))
        .await;
}

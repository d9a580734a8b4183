//! More time for a hold: bounded, and never for one whose time is up.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use holdfast::broker::envelope::Outgoing;
use holdfast::clock;
use holdfast::domain::ids::{CommandId, CustomerId, IdempotencyKey, OrderId};
use holdfast::domain::order::{Hold, OrderState};
use holdfast::event::OrderEvent;
use holdfast::message::{ExpireOrders, Queue, Version};
use holdfast::store::events::{self, NewEvent};
use holdfast::store::orders;
use holdfast_workers::pools::Pool;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

async fn extend(shop: &Client, id: &str, seconds: i64) -> Answer {
    shop.post(&format!("/v1/orders/{id}/extend"), &json!({"extend_seconds": seconds})).await
}

fn deadline(order: &Answer) -> DateTime<Utc> {
    order.text("expires_at").parse().unwrap()
}

#[tokio::test]
async fn a_hold_is_extended_at_most_twice() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let id = held.text("id");

    let once = extend(&shop, id, 90).await;
    assert_eq!((once.status, &once.body["extension_count"]), (200, &json!(1)));
    assert_eq!(deadline(&once) - deadline(&held), TimeDelta::seconds(90));
    // Without a number of seconds it is ten minutes.
    let twice = shop.post(&format!("/v1/orders/{id}/extend"), &json!({})).await;
    assert_eq!((twice.status, &twice.body["extension_count"]), (200, &json!(2)));
    assert_eq!(deadline(&twice) - deadline(&once), TimeDelta::seconds(600));

    let thrice = extend(&shop, id, 1).await;
    assert_eq!((thrice.status, thrice.problem()), (409, "extension-refused"));
    assert_eq!(thrice.text("reason"), "too_often");
    assert_eq!(shop.order(id).await.lasting(), twice.lasting());
    world.finish().await;
}

#[tokio::test]
async fn no_extension_lasts_past_an_hour_after_the_hold_began() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 2).await;
    let held = shop.place("mug", 1, 1_200).await;
    let refused = extend(&shop, held.text("id"), 2_401).await;
    assert_eq!((refused.status, refused.text("reason")), (409, "too_long"));
    assert_eq!(shop.order(held.text("id")).await.body["extension_count"], 0);
    assert_eq!(extend(&shop, held.text("id"), 2_400).await.status, 200);
    assert_eq!(extend(&shop, held.text("id"), 1).await.text("reason"), "too_long");

    // A hold that is longer than an hour from the start keeps its time and gets no more.
    let long = shop.place("mug", 1, 7_200).await;
    assert_eq!(extend(&shop, long.text("id"), 1).await.text("reason"), "too_long");
    world.finish().await;
}

#[tokio::test]
async fn a_hold_whose_time_is_up_is_not_extended_whether_it_is_released_or_not() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold, Queue::OrderExtend]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let id = held.text("id");
    world.make_overdue(id).await;

    let refused = extend(&shop, id, 60).await;
    assert_eq!((refused.status, refused.problem()), (410, "expired"));
    // Nothing had released it when it was refused, and now something does.
    assert_eq!(shop.status(id).await, "held");
    world.start_workers(Pool::Sweep);
    shop.until(id, "expired").await;
    let refused = extend(&shop, id, 60).await;
    assert_eq!((refused.status, refused.problem()), (410, "expired"));
    assert_eq!(shop.available("mug").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_is_no_hold_any_more_is_not_extended() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 2).await;
    shop.charge(1_000).await;
    let paid = shop.place("mug", 1, 60).await;
    shop.pay(paid.text("id")).await;
    let cancelled = shop.place("mug", 1, 60).await;
    shop.post(&format!("/v1/orders/{}/cancel", cancelled.text("id")), &json!({})).await;
    let refused = shop.place("mug", 9, 60).await;
    for id in [paid.text("id"), cancelled.text("id"), refused.text("order_id")] {
        let answer = extend(&shop, id, 60).await;
        assert_eq!((answer.status, answer.problem()), (409, "wrong-state"));
    }
    world.finish().await;
}

#[tokio::test]
async fn the_same_key_extends_once() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 2).await;
    let held = shop.place("mug", 1, 60).await;
    let path = format!("/v1/orders/{}/extend", held.text("id"));
    let body = json!({"extend_seconds": 60});
    let clicks = join_all((0..10).map(|_| shop.post_as("click", &path, &body))).await;
    assert!(clicks.iter().all(|click| click.status == 200), "{clicks:?}");
    assert_eq!(shop.order(held.text("id")).await.body["extension_count"], 1);
    assert_eq!(shop.post_as("click again", &path, &body).await.body["extension_count"], 2);
    // A key used up on one order is fresh on another.
    let other = shop.place("mug", 1, 60).await;
    let path = format!("/v1/orders/{}/extend", other.text("id"));
    assert_eq!(shop.post_as("click", &path, &body).await.body["extension_count"], 1);
    world.finish().await;
}

#[tokio::test]
async fn an_extended_hold_is_released_at_its_new_deadline_and_not_at_the_old_one() {
    let (world, shop) = World::running_by_timers().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    extend(&shop, held.text("id"), 60).await;
    world.execute("UPDATE orders SET expires_at = now() + interval '1500 ms'").await;

    // The timer of the old deadline comes, finds the new one and comes again then.
    let id = held.text("id").parse::<uuid::Uuid>().unwrap();
    let timer = ExpireOrders { version: Version, due_at: clock::now(), order_ids: vec![id.into()] };
    world.publish(Outgoing::command(&timer, clock::now(), None)).await;
    shop.until(held.text("id"), "expired").await;
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE closed_at < expires_at").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn an_extension_is_answered_with_the_deadline_it_gave_whenever_its_fact_is_seen() {
    let world = World::idle().await;
    world.start_workers(Pool::Commands(Queue::OrderHold));
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let order: OrderId = held.text("id").parse::<uuid::Uuid>().unwrap().into();
    let (customer, key) =
        (CustomerId::parse(&shop.customer).unwrap(), IdempotencyKey::parse("longer").unwrap());
    let command = CommandId::derive(&format!("extend {order}"), &customer, &key);

    // The log is locked, so whoever asks for the answer stops before it; what of the order was read earlier is of before.
    // (A new connection of ours looks at the log, too: who watches has one of its own.)
    let mut watching = PgConnection::connect(&world.database_url).await.unwrap();
    let mut tx = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE order_events IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    let path = format!("/v1/orders/{order}/extend");
    let asking = async { shop.post_as("longer", &path, &json!({"extend_seconds": 600})).await };
    let extending = async {
        eventually("somebody looks for the answer", async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                            AND wait_event_type = 'Lock' AND query LIKE '%order_events%'";
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(&mut watching).await.unwrap();
            (count > 0).then_some(())
        })
        .await;
        let row = orders::lock(&mut tx, &[order]).await.unwrap().remove(0);
        let OrderState::Held(hold) = row.state else { panic!("{row:?}") };
        let expires_at = hold.expires_at + TimeDelta::seconds(600);
        let longer = Hold { expires_at, extension_count: 1, ..hold };
        orders::extend(&mut tx, &[(order, longer)]).await.unwrap();
        let event = OrderEvent::Extended { expires_at };
        events::append(&mut tx, &[NewEvent { order_id: order, command_id: Some(command), event }])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        expires_at
    };
    let (answer, expires_at) = tokio::join!(asking, extending);
    assert_eq!((answer.status, deadline(&answer)), (200, expires_at), "{answer:?}");
    world.finish().await;
}

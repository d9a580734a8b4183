//! Dead letters through the command line: list, show, replay, discard and restore.

use std::process::Output;

use holdfast::domain::ids::OrderId;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::commands::{hold, named, publish, publish_strange};
use crate::support::eventually;
use crate::support::processes::holdfast;
use crate::support::world::World;

#[tokio::test]
async fn a_replayed_dead_letter_dies_again_until_its_cause_is_fixed_and_is_then_applied() {
    let (world, order) = world_with_a_dead_order().await;
    let letter = only_letter(&world, "open").await;
    let id = letter["id"].as_str().unwrap();
    assert_eq!(letter["queue"], "order.hold");
    assert_eq!(letter["error_class"], "database");
    assert_eq!(letter["order_id"], order.to_string());
    assert_eq!((&letter["death_count"], &letter["replay_count"]), (&1.into(), &0.into()));

    succeed(&world, &["replay", id]).await;
    let again = only_letter(&world, "open").await;
    assert_eq!((&again["death_count"], &again["replay_count"]), (&2.into(), &1.into()));
    assert_eq!((&again["id"], &again["message_id"]), (&letter["id"], &letter["message_id"]));
    assert_eq!(again["first_died_at"], letter["first_died_at"]);

    world.execute("ALTER TABLE orders DROP CONSTRAINT no_mallory").await;
    succeed(&world, &["replay", id]).await;
    eventually("the replayed order is held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 1).then_some(())
    })
    .await;
    assert_eq!(only_letter(&world, "replayed").await["replay_count"], 2);
    assert_eq!(list(&world, "open").await.len(), 0);

    // What is replayed is no longer there to be replayed or discarded.
    fail(&world, &["replay", id]).await;
    fail(&world, &["discard", id, "--reason", "too late"]).await;
    let actions =
        "SELECT count(*) FROM operator_actions WHERE action = 'dead_letter.replay' AND actor = 'olga'";
    assert_eq!(world.count(actions).await, 2);
    world.finish().await;
}

#[tokio::test]
async fn a_discarded_dead_letter_keeps_its_reason_and_comes_back_no_more() {
    let (world, order) = world_with_a_dead_order().await;
    let id = only_letter(&world, "open").await["id"].as_str().unwrap().to_owned();
    succeed(&world, &["discard", &id, "--reason", "a test"]).await;

    assert_eq!(only_letter(&world, "discarded").await["order_id"], order.to_string());
    let actions = "SELECT count(*) FROM operator_actions
                    WHERE action = 'dead_letter.discard' AND actor = 'olga' AND reason = 'a test'";
    assert_eq!(world.count(actions).await, 1);
    fail(&world, &["replay", &id]).await;
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
    succeed(&world, &["restore", "--status", "discarded", "--queue", "order.hold"]).await;
    assert_eq!(only_letter(&world, "open").await["order_id"], order.to_string());
    world.finish().await;
}

#[tokio::test]
async fn a_dead_letter_of_a_stranger_is_shown_without_obeying_it() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::PaymentConfirm]);
    world.start_workers(Pool::DeadLetters);
    // A body that would change the terminal's title, and a message id that would colour it.
    let poison = b"\x1b]0;owned\x07 not json";
    publish_strange(&world, "payment.confirm", named("\x1b[31mred"), poison).await;
    world.dead_letter("malformed").await;

    let id = only_letter(&world, "open").await["id"].as_str().unwrap().to_owned();
    for arguments in [vec!["list"], vec!["list", "--queue", "payment.confirm"], vec!["show", &id]] {
        let shown = succeed(&world, &arguments).await;
        assert!(shown.contains(&id) && !shown.contains('\x1b'), "{shown:?}");
    }
    assert!(succeed(&world, &["list", "--queue", "order.hold"]).await.contains("0 dead letters"));
    let shown: Value = serde_json::from_str(&succeed(&world, &["show", &id, "--json"]).await).unwrap();
    assert_eq!(shown["body"], std::str::from_utf8(poison).unwrap());
    fail(&world, &["show", "00000000-0000-0000-0000-000000000000"]).await;
    world.finish().await;
}

#[tokio::test]
async fn an_unroutable_message_becomes_a_dead_letter_that_cannot_be_replayed() {
    let world = World::idle().await;
    world.start_workers(Pool::DeadLetters);
    world.start_workers(Pool::Replays);
    publish_strange(&world, "order.nothing", named("lost"), b"{}").await;
    world.dead_letter("unroutable").await;
    let id = only_letter(&world, "open").await["id"].as_str().unwrap().to_owned();
    fail(&world, &["replay", &id]).await;
    succeed(&world, &["discard", &id, "--reason", "nobody reads it"]).await;
    world.finish().await;
}

/// A publisher that gives every message the same id loses none of them.
#[tokio::test]
async fn two_cancels_under_one_message_id_are_two_dead_letters_and_both_are_replayed() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    let orders = [shop.place("mug", 1, 600).await, shop.place("mug", 1, 600).await];
    world.execute("ALTER TABLE orders ADD CONSTRAINT none_cancelled CHECK (status <> 'cancelled')").await;
    for order in &orders {
        let cancel = json!({"version": 1, "command_id": Uuid::now_v7(), "order_id": order.text("id")});
        publish_strange(&world, "order.cancel", named("always the same"), cancel.to_string().as_bytes())
            .await;
    }
    eventually("both are set aside", async || (list(&world, "open").await.len() == 2).then_some(())).await;
    // The same message once more is the same death.
    let letters = list(&world, "open").await;
    world.execute("ALTER TABLE orders DROP CONSTRAINT none_cancelled").await;
    for letter in &letters {
        succeed(&world, &["replay", letter["id"].as_str().unwrap()]).await;
    }
    for order in &orders {
        shop.until(order.text("id"), "cancelled").await;
    }
    world.finish().await;
}

/// A world that runs, and an order that its schema does not allow.
async fn world_with_a_dead_order() -> (World, OrderId) {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    world.execute("ALTER TABLE orders ADD CONSTRAINT no_mallory CHECK (customer_id <> 'mallory')").await;
    let command = hold("mallory", &[("mug", 1)], 600);
    publish(&world, &command).await;
    (world, command.order_id)
}

/// Runs `holdfast dead-letters` against a world.
async fn dead_letters(world: &World, arguments: &[&str]) -> Output {
    holdfast(world.desk().await, &[&["dead-letters"], arguments].concat()).await
}

async fn succeed(world: &World, arguments: &[&str]) -> String {
    let output = dead_letters(world, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn fail(world: &World, arguments: &[&str]) {
    let output = dead_letters(world, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    assert!(!output.stderr.is_empty());
}

async fn list(world: &World, status: &str) -> Vec<Value> {
    let lines = succeed(world, &["list", "--json", "--status", status]).await;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until there is one dead letter of this status.
async fn only_letter(world: &World, status: &str) -> Value {
    eventually(&format!("there is one {status} dead letter"), async || {
        let [letter] = list(world, status).await.try_into().ok()?;
        Some(letter)
    })
    .await
}

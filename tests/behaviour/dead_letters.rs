//! `holdfast dead-letters`: what an operator sees of a dead letter and does with it.

use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cli::{Run, holdfast};
use crate::support::eventually;
use crate::support::world::World;

async fn dead_letters(world: &World, arguments: &[&str]) -> Run {
    holdfast(world, &[&["dead-letters"], arguments].concat()).await
}

/// A world with one dead letter whose bytes would take over a terminal; returns its id.
async fn poisoned() -> (World, String) {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::DeadLetters);
    world.publish_raw("order.hold", b"\x1b[31mred\x07 <script>alert(1)</script>").await;
    world.dead_letter("malformed").await;
    let id: Uuid = sqlx::query_scalar("SELECT id FROM dead_letters").fetch_one(&world.pool).await.unwrap();
    (world, id.to_string())
}

#[tokio::test]
async fn an_empty_table_is_listed_and_an_unknown_letter_is_an_error() {
    let world = World::idle().await;
    let list = dead_letters(&world, &["list"]).await;
    assert_eq!((list.code, list.out.lines().last()), (Some(0), Some("0 dead letters")), "{list:?}");
    let list =
        dead_letters(&world, &["list", "--json", "--status", "discarded", "--queue", "order.hold"]).await;
    assert_eq!((list.code, list.out.as_str()), (Some(0), ""), "{list:?}");

    let unknown = Uuid::now_v7().to_string();
    for arguments in
        [&["show", &unknown][..], &["replay", &unknown], &["discard", "--reason", "test", &unknown]]
    {
        let run = dead_letters(&world, arguments).await;
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{run:?}");
        assert!(run.err.contains("no such dead letter"), "{run:?}");
    }
    // Words that are no ids or leave something out are told from what is not there.
    for arguments in [&["show", "42"][..], &["replay"], &["discard", &unknown], &["list", "--limit", "0"]] {
        assert_eq!(dead_letters(&world, arguments).await.code, Some(2), "{arguments:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_dead_letter_is_shown_without_obeying_its_control_characters() {
    let (world, id) = poisoned().await;
    let list = dead_letters(&world, &["list"]).await;
    assert!(
        list.out.contains(&id) && list.out.contains("order.hold") && list.out.contains("malformed"),
        "{list:?}"
    );
    assert_eq!(list.out.lines().last(), Some("1 dead letters"));
    let show = dead_letters(&world, &["show", &id]).await;
    assert!(show.out.contains("\\u{1b}[31mred\\u{7} <script>"), "{show:?}");
    for run in [&list, &show] {
        assert!(!run.out.contains(['\x1b', '\x07']), "{run:?}");
    }
    let json = dead_letters(&world, &["show", "--json", &id]).await;
    let letter: Value = json.out.parse().unwrap();
    assert_eq!(letter["body"], "\x1b[31mred\x07 <script>alert(1)</script>");
    assert_eq!(
        json!([letter["status"], letter["queue"], letter["death_count"]]),
        json!(["open", "order.hold", 1])
    );
    world.finish().await;
}

#[tokio::test]
async fn a_dead_letter_is_replayed_dies_again_and_is_discarded_with_a_reason() {
    let (world, id) = poisoned().await;
    let replayed = dead_letters(&world, &["replay", &id]).await;
    assert_eq!((replayed.code, replayed.out), (Some(0), format!("{id} replayed\n")), "{}", replayed.err);
    let letter: Value = eventually("it dies again", async || {
        let letter: Value = dead_letters(&world, &["show", "--json", &id]).await.out.parse().unwrap();
        (letter["death_count"] == 2).then_some(letter)
    })
    .await;
    assert_eq!(json!([letter["status"], letter["replay_count"]]), json!(["open", 1]));

    let discarded = dead_letters(&world, &["discard", "--reason", "a test's", &id]).await;
    assert_eq!((discarded.code, discarded.out), (Some(0), format!("{id} discarded\n")), "{}", discarded.err);
    for arguments in [&["discard", "--reason", "again", &id][..], &["replay", &id]] {
        let again = dead_letters(&world, arguments).await;
        assert_eq!(again.code, Some(1));
        assert!(again.err.contains("not open any more"), "{again:?}");
    }
    assert!(dead_letters(&world, &["list"]).await.out.ends_with("0 dead letters\n"));
    assert!(dead_letters(&world, &["list", "--status", "discarded"]).await.out.contains(&id));
    // Who did what, and why, is written down for good.
    let sql = "SELECT json_agg(json_build_array(action, actor, reason) ORDER BY id) FROM dead_letter_actions";
    let actions: Value = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert_eq!(actions, json!([["replayed", "olga", null], ["discarded", "olga", "a test's"]]));
    assert!(sqlx::query("DELETE FROM dead_letter_actions").execute(&world.pool).await.is_err());
    world.finish().await;
}

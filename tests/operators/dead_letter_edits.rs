//! A changed copy of a dead letter: off unless switched on, valid or refused, linked both ways.

use serde_json::json;
use uuid::Uuid;

use holdfast::store::operators::tokens::Role;

use crate::letters::{Letter, hold_body, operator, post};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

fn unreadable(order: Uuid, customer: &'static str) -> Letter {
    let body = hold_body(order, customer, 0);
    Letter { queue: "order.hold", class: "malformed", body, order: Some(order), ..Letter::default() }
}

#[tokio::test]
async fn bodies_cannot_be_changed_unless_that_is_switched_on() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    let order = Uuid::now_v7();
    let id = unreadable(order, "alice").put(&world).await;
    let body = String::from_utf8(hold_body(order, "alice", 1)).unwrap();
    let refused = post(&olga, &format!("/v1/ops/dead-letters/{id}/edit"), &json!({"body": body})).await;
    assert_eq!((refused.status, refused.problem()), (403, "forbidden"));
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE status = 'open'").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_changed_copy_is_a_message_of_its_own_and_both_know_of_each_other() {
    let world = World::told(&[("HOLDFAST_EDIT_DEAD_LETTERS", "true")]).await;
    world.start_all_workers();
    let (_api, shop) = Process::api(&world).await;
    shop.stock("mug", 5).await;
    let olga = Client::new(&shop.base, &world.token(Role::Operator, None).await);
    let order = Uuid::now_v7();
    let id = unreadable(order, "mallory").put(&world).await;
    let path = format!("/v1/ops/dead-letters/{id}/edit");
    let edit = async |body: &str, dry_run: bool| {
        post(&olga, &path, &json!({"body": body, "reason": "no units", "dry_run": dry_run})).await
    };
    let fixed = String::from_utf8(hold_body(order, "mallory", 2)).unwrap();

    for unfit in [
        "{",
        "{}",
        &fixed.replace("\"mug\"", "\"m/ug\""),
        &String::from_utf8(hold_body(order, "mallory", 0)).unwrap(),
    ] {
        assert_eq!(edit(unfit, false).await.status, 422, "{unfit}");
    }
    let preview = edit(&fixed, true).await;
    let lines: Vec<String> = preview.body["difference"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["sign"] != " ")
        .map(|line| format!("{}{}", line["sign"].as_str().unwrap(), line["text"].as_str().unwrap().trim()))
        .collect();
    assert_eq!(lines, ["-\"quantity\": 0,", "+\"quantity\": 2,"]);

    // The copy dies in its turn, for another reason.
    world.execute("ALTER TABLE orders ADD CONSTRAINT no_mallory CHECK (customer_id <> 'mallory')").await;
    let sent = edit(&fixed, false).await;
    assert_eq!((sent.status, sent.text("message_id")), (200, preview.text("message_id")));
    world.dead_letter("database").await;
    let original = olga.get(&format!("/v1/ops/dead-letters/{id}")).await.body;
    assert_eq!(original["status"], "replaced");
    let copy = original["replaced_by"]["dead_letter_id"].as_str().unwrap().to_owned();
    let died = olga.get(&format!("/v1/ops/dead-letters/{copy}")).await.body;
    assert_eq!((&died["replaces"], &died["message_id"]), (&json!(id), &sent.body["message_id"]));
    assert_eq!(original["actions"][0]["action"], "dead_letter.edit");
    assert_eq!(edit(&fixed, false).await.status, 409, "it is replaced by now");

    world.execute("ALTER TABLE orders DROP CONSTRAINT no_mallory").await;
    post(&olga, "/v1/ops/replays", &json!({"ids": [copy]})).await;
    eventually("the order of the copy is held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 1).then_some(())
    })
    .await;
    world.finish().await;
}

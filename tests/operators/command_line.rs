//! `holdfast orders` and `holdfast stock`.

use holdfast::store::operators::tokens::Role;
use serde_json::Value;

use crate::support::client::Client;
use crate::support::processes::holdfast;
use crate::support::world::World;

async fn succeed(world: &World, arguments: &[&str]) -> String {
    let output = holdfast(world.desk().await, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(world, &[arguments, &["--json"]].concat()).await).unwrap()
}

async fn fail(world: &World, arguments: &[&str]) -> String {
    let output = holdfast(world.desk().await, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn orders_are_searched_shown_refunded_and_cancelled_from_a_terminal() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    shop.charge(5_000).await;
    let paid = shop.place("mug", 2, 600).await.text("id").to_owned();
    shop.pay(&paid).await;
    let held = shop.place("mug", 1, 600).await.text("id").to_owned();

    let found = json(&world, &["orders", "search", "--status", "paid"]).await;
    assert_eq!(
        (found["orders"].as_array().unwrap().len(), &found["orders"][0]["id"]),
        (1, &Value::from(paid.as_str()))
    );
    let table = succeed(&world, &["orders", "search"]).await;
    assert!(table.contains(&paid) && table.contains("2 orders"), "{table}");
    let shown = succeed(&world, &["orders", "show", &paid]).await;
    assert!(
        shown.contains("2 × mug") && shown.contains("The order is paid and its units are sold"),
        "{shown}"
    );
    assert!(json(&world, &["orders", "show", &held]).await["seconds_left"].is_number());

    let because = ["--reason", "a test"];
    let refund =
        [&["orders", "refund", &paid, "--item", "mug=1", "--write-off", "--key", "k"], &because[..]].concat();
    for _ in 0..2 {
        assert_eq!(json(&world, &refund).await["status"], "partly_refunded");
    }
    assert_eq!(json(&world, &["orders", "show", &paid]).await["refunds"].as_array().unwrap().len(), 1);
    let nothing = [&["orders", "resolve", &paid], &because[..]].concat();
    assert!(succeed(&world, &nothing).await.contains("0 payments and refunds"));
    let cancel = [&["orders", "cancel", &held], &because[..]].concat();
    for _ in 0..2 {
        assert!(succeed(&world, &cancel).await.contains("is cancelled"));
    }
    let late = [&["orders", "cancel", &paid], &because[..]].concat();
    assert!(fail(&world, &late).await.contains("partly_refunded"));
    assert!(
        fail(&world, &["orders", "show", "0191a2b3-c4d5-8e6f-8a7b-1c2d3e4f5a6b"])
            .await
            .contains("no such order")
    );
    assert!(fail(&world, &["orders", "search", "--status", "nice"]).await.contains("status"));
    let by_olga = "SELECT count(*) FROM operator_actions WHERE actor = 'olga' AND reason = 'a test'
                      AND action IN ('order.cancel', 'order.refund')";
    // A repetition finds its answer, and is no second act.
    assert_eq!(world.count(by_olga).await, 2);
    world.finish().await;
}

#[tokio::test]
async fn stock_is_listed_shown_received_and_adjusted_from_a_terminal_that_obeys_no_text() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    shop.place("mug", 4, 600).await;
    let because = ["--reason", "a test"];
    let receive = [&["stock", "receive", "mug", "5"], &because[..]].concat();
    assert_eq!(json(&world, &receive).await["on_hand"], 15);
    let colourful = world.named_token("o\u{1b}[31mlga", Role::Operator).await;
    let colourful = world.desk().await.with_token(&colourful);
    assert!(
        holdfast(&colourful, &[&["stock", "adjust", "mug", "--by=0"], &because[..]].concat())
            .await
            .status
            .success()
    );
    let adjust = |change: &'static str| [&["stock", "adjust", "mug", change], &because[..]].concat();
    assert!(succeed(&world, &adjust("--by=-3")).await.contains("12 on hand"));
    assert!(succeed(&world, &adjust("--to=11")).await.contains("11 on hand"));
    assert!(fail(&world, &adjust("--to=3")).await.contains("4 units are on hold"));
    assert!(
        fail(&world, &[&["stock", "receive", "cup", "1"], &because[..]].concat())
            .await
            .contains("no such SKU")
    );

    let shown = succeed(&world, &["stock", "show", "mug"]).await;
    assert!(shown.contains("received") && shown.contains("a test") && shown.contains("s left"), "{shown}");
    assert!(!shown.contains('\u{1b}') && shown.contains("[31mlga"), "{shown:?}");
    assert_eq!(json(&world, &["stock", "show", "mug"]).await["movements"].as_array().unwrap().len(), 5);
    assert!(succeed(&world, &["stock", "list", "mu"]).await.contains("1 SKUs"));
    assert_eq!(json(&world, &["stock", "list"]).await["skus"][0]["on_hand"], 11);
    world.finish().await;
}

#[tokio::test]
async fn whoever_cannot_know_whether_it_was_done_is_told_the_key_for_another_try() {
    let nowhere = Client::new("http://127.0.0.1:1", "a token");
    let order = "0191a2b3-c4d5-8e6f-8a7b-1c2d3e4f5a6b";
    let told = async |arguments: &[&str]| {
        let output = holdfast(&nowhere, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for act in [&["orders", "refund", order][..], &["stock", "receive", "mug", "5"]] {
        let first = told(&[act, &["--reason", "a test"]].concat()).await;
        let (_, key) = first.split_once("try again with --key ").expect(&first);
        let key = key.split_whitespace().next().unwrap().trim_end_matches(':');
        let again = told(&[act, &["--reason", "a test", "--key", key]].concat()).await;
        assert!(again.contains(key) && again.contains("cannot be reached"), "{again}");
    }
    assert!(!told(&["orders", "show", order]).await.contains("--key"));
}

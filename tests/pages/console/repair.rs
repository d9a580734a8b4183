//! What the console is for: something went wrong, a person finds it, understands it and repairs it.

use serde_json::json;

use holdfast::store::operators::tokens::Role;

use crate::browser::{Browser, ENTER};
use crate::support::client::Client;
use crate::support::world::World;

/// A world in which no order of mallory's can be stored, and one that he placed.
async fn world_with_a_poisoned_order() -> (World, Client, String) {
    let world = World::idle().await;
    world.start_all_workers();
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    world.execute("ALTER TABLE orders ADD CONSTRAINT no_mallory CHECK (customer_id <> 'mallory')").await;
    let mallory = shop.as_customer("mallory");
    let order = mallory.place_async("a-key", "mug", 2, 600).await;
    assert_eq!(order.status, 202, "{order:?}");
    let id = order.text("id").to_owned();
    // A neighbour of the same batch is not harmed.
    assert_eq!(shop.as_customer("alice").place("mug", 1, 600).await.status, 201);
    world.dead_letter("database").await;
    (world, mallory, id)
}

#[tokio::test]
async fn an_operator_finds_a_poisoned_order_reads_it_replays_it_and_sees_it_held() {
    let (world, mallory, order) = world_with_a_poisoned_order().await;
    let browser = Browser::start(&mallory.base).await;
    browser.sign_in(&world.token(Role::Operator, None).await).await;

    // Find it: by what its customer says, which leads to an address that a colleague can be sent.
    browser.click_on("Dead letters").await;
    browser.until_shown("order.hold").await;
    browser.fill("form.search input[name=customer]", &format!("mallory{ENTER}")).await;
    browser.until_shown("no_mallory").await;
    assert!(browser.place().await.contains("customer=mallory"), "{}", browser.place().await);

    // Read it.
    browser.click("table.rows a.row").await;
    browser.until_shown("What is known").await;
    let text = browser.text().await;
    for known in ["no_mallory", order.as_str(), "\"quantity\": 2", "order.hold"] {
        assert!(text.contains(known), "the page does not tell {known}: {text}");
    }

    // Repair the cause, and replay it.
    world.execute("ALTER TABLE orders DROP CONSTRAINT no_mallory").await;
    browser.click_on("Replay").await;
    browser.until_shown("1 of 1").await;
    mallory.until(&order, "held").await;
    browser.open(&format!("/ops/orders/{order}")).await;
    browser.until_shown("held").await;
    assert_eq!(mallory.available("mug").await, 7);

    // Who did it is on record.
    let log = "SELECT count(*) FROM operator_actions WHERE action = 'dead_letter.replay'";
    assert_eq!(world.count(log).await, 1);
    browser.click_on("Audit log").await;
    browser.until_shown("dead_letter.replay").await;
    world.finish().await;
}

#[tokio::test]
async fn a_viewer_sees_everything_and_is_offered_nothing_to_change() {
    let (world, mallory, order) = world_with_a_poisoned_order().await;
    let browser = Browser::start(&mallory.base).await;
    browser.sign_in(&world.token(Role::Viewer, None).await).await;
    let letter = "SELECT id::text FROM dead_letters";
    let letter: String = sqlx::query_scalar(letter).fetch_one(&world.pool).await.unwrap();
    let pages = [
        "/ops".to_owned(),
        "/ops/dead-letters".to_owned(),
        format!("/ops/dead-letters/{letter}"),
        "/ops/replays".to_owned(),
        "/ops/orders".to_owned(),
        format!("/ops/orders/{order}"),
        "/ops/money".to_owned(),
        "/ops/stock".to_owned(),
        "/ops/stock/mug".to_owned(),
        "/ops/queues".to_owned(),
        "/ops/actions".to_owned(),
    ];
    for page in pages {
        browser.open(&page).await;
        let title = browser.client.title().await.unwrap();
        assert!(title.ends_with("· Holdfast"), "{page}: {title}");
        let actions =
            "return document.querySelectorAll('main form[method=post] button:not([disabled])').length";
        assert_eq!(browser.run(actions, vec![]).await, json!(0), "{page} offers a viewer something to do");
    }
    world.finish().await;
}

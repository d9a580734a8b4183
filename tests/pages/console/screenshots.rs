//! The pictures of README and docs, taken by `make screenshots`.

use std::path::PathBuf;

use holdfast::store::operators::tokens::Role;

use crate::browser::Browser;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots")
}

/// The size of a window on a desk.
const DESK: (u32, u32) = (1280, 1200);

async fn take(browser: &Browser, path: &str, name: &str, (width, height): (u32, u32)) {
    browser.client.set_window_size(width, height).await.unwrap();
    browser.open(path).await;
    let picture = browser.client.screenshot().await.unwrap();
    std::fs::write(folder().join(format!("{name}.png")), picture).unwrap();
}

/// A shop's ordinary day, with a few things gone wrong. Returns an order with a history.
async fn live_a_day(world: &World, shop: &Client) -> String {
    for (sku, on_hand) in [("mug-blue", 40), ("poster-a2", 12), ("shirt-m", 25)] {
        shop.stock(sku, on_hand).await;
    }
    for number in 0..30 {
        let buyer = shop.as_customer(&format!("buyer-{number}"));
        buyer.charge(20_000).await;
        let sku = ["mug-blue", "poster-a2", "shirt-m"][number % 3];
        let order = buyer.place(sku, 1 + number as i64 % 2, 1 + 1_199 * (number as i64 % 4).min(1)).await;
        if number % 3 != 0 && order.status == 201 {
            buyer.pay(order.text("id")).await;
        }
    }
    let alice = shop.as_customer("alice");
    alice.charge(20_000).await;
    let order = alice.place("mug-blue", 2, 1_200).await.text("id").to_owned();
    alice.pay(&order).await;
    let refund =
        serde_json::json!({"items": [{"sku": "mug-blue", "quantity": 1}], "reason": "one was broken"});
    shop.as_customer("alice").post(&format!("/v1/orders/{order}/refunds"), &refund).await;

    world.execute("ALTER TABLE orders ADD CONSTRAINT no_mallory CHECK (customer_id <> 'mallory')").await;
    for number in 0..3 {
        shop.as_customer("mallory").place_async(&format!("key-{number}"), "shirt-m", 1, 600).await;
    }
    world.publish_raw("payment.confirm", b"{\"version\": 9, \"order_id\": \"?\"}").await;
    world.publish_raw("order.cancel", b"not JSON at all").await;
    for class in ["database", "malformed"] {
        world.dead_letter(class).await;
    }
    order
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it writes pictures: make screenshots"]
async fn screenshots_of_every_page() {
    let world = World::idle().await;
    let _workers = Process::worker(&world, "");
    let shop = world.start_api().await;
    let order = live_a_day(&world, &shop).await;
    let letter = "SELECT id::text FROM dead_letters WHERE error_class = 'database' ORDER BY id LIMIT 1";
    let letter: String = sqlx::query_scalar(letter).fetch_one(&world.pool).await.unwrap();
    let token = world.named_token("olga", Role::Operator).await;
    std::fs::create_dir_all(folder()).unwrap();

    let browser = Browser::start(&shop.base).await;
    browser.sign_in(&token).await;
    browser.prefer("light").await;
    let works = "SELECT count(*) FROM worker_pools WHERE pool = 'figures'";
    eventually("somebody works", async || (world.count(works).await == 1).then_some(())).await;
    let counted = "SELECT count(*) FROM event_figures, last_audit";
    eventually("facts are counted", async || (world.count(counted).await > 3).then_some(())).await;
    take(&browser, "/ops", "health", DESK).await;
    take(&browser, "/ops/dead-letters", "dead-letters", DESK).await;
    take(&browser, &format!("/ops/dead-letters/{letter}"), "dead-letter", DESK).await;
    take(&browser, &format!("/ops/orders/{order}"), "order", (1280, 1700)).await;
    take(&browser, "/ops/stock/mug-blue", "stock", DESK).await;
    take(&browser, "/ops/queues", "queues", DESK).await;
    browser.prefer("dark").await;
    take(&browser, "/ops", "health-dark", DESK).await;
    take(&browser, &format!("/ops/orders/{order}"), "order-phone", (430, 900)).await;
    world.stop.cancel();
}

//! Idempotency keys: the same key is the same request, whatever happens in between.

use futures_util::future::join_all;
use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

fn mugs(quantity: i64) -> Value {
    json!({"items": [{"sku": "mug", "quantity": quantity}], "hold_seconds": 60})
}

/// Places an order without waiting, with these exact headers instead of the usual key.
async fn place_with_key(shop: &Client, key: Option<&[u8]>, body: &Value) -> Answer {
    let mut request = shop.request(reqwest::Method::POST, "/v1/orders");
    if let Some(key) = key {
        request = request.header("Idempotency-Key", reqwest::header::HeaderValue::from_bytes(key).unwrap());
    }
    shop.send(request.json(body)).await
}

#[tokio::test]
async fn the_same_key_is_the_same_order_however_often_it_is_sent() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    let first = shop.post_as("key-1", "/v1/orders", &mugs(2)).await;
    assert_eq!(first.status, 201);
    let again = shop.post_as("key-1", "/v1/orders", &mugs(2)).await;
    assert_eq!((again.status, again.lasting()), (201, first.lasting()));
    let unwaited = shop.place_async("key-1", "mug", 2, 60).await;
    assert_eq!((unwaited.status, &unwaited.body["id"]), (202, &first.body["id"]));

    let one = mugs(1);
    let clicks = join_all((0..8).map(|_| shop.post_as("key-2", "/v1/orders", &one))).await;
    assert!(
        clicks.iter().all(|click| click.status == 201 && click.lasting() == clicks[0].lasting()),
        "{clicks:?}"
    );

    // Worked off behind everything above, because one worker applies one batch after the other.
    shop.post_as("last", "/v1/orders", &mugs(1)).await;
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM order_events WHERE type = 'order.held'").await, 3);
    assert_eq!(shop.available("mug").await, 10 - 2 - 1 - 1);
    world.finish().await;
}

#[tokio::test]
async fn a_request_is_the_same_when_it_asks_for_the_same_in_other_words() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    shop.stock("tee", 10).await;
    let first = json!({"items": [{"sku": "mug", "quantity": 2}, {"sku": "tee", "quantity": 1}]});
    let held = shop.post_as("key-1", "/v1/orders", &first).await;
    let same = json!({"hold_seconds": 1200, "items": [{"quantity": 1, "sku": "tee"}, {"sku": "mug", "quantity": 1},
                      {"sku": "mug", "quantity": 1}]});
    let again = shop.post_as("key-1", "/v1/orders", &same).await;
    assert_eq!((again.status, again.lasting()), (201, held.lasting()));
    world.finish().await;
}

#[tokio::test]
async fn a_key_is_refused_for_another_body_even_by_a_process_that_never_saw_it() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    let held = shop.post_as("key-1", "/v1/orders", &mugs(2)).await;
    let longer = json!({"items": [{"sku": "mug", "quantity": 2}], "hold_seconds": 61});
    for other in [&mugs(3), &longer] {
        let refused = shop.post_as("key-1", "/v1/orders", other).await;
        assert_eq!((refused.status, refused.problem()), (422, "key-reused"));
        let refused = place_with_key(&shop, Some(b"key-1"), other).await;
        assert_eq!((refused.status, refused.problem()), (422, "key-reused"));
    }

    // A process started later remembers nothing; the table does.
    let restarted = world.start_api().await;
    let refused = restarted.post_as("key-1", "/v1/orders", &mugs(3)).await;
    assert_eq!((refused.status, refused.problem()), (422, "key-reused"));
    // Without waiting it cannot know, and a person is told instead; the order stays as it was.
    let restarted = world.start_api().await;
    assert_eq!(place_with_key(&restarted, Some(b"key-1"), &mugs(3)).await.status, 202);
    world.dead_letter("conflict").await;
    assert_eq!(shop.order(held.text("id")).await.lasting(), held.lasting());
    assert_eq!(shop.available("mug").await, 8);
    world.finish().await;
}

#[tokio::test]
async fn a_key_may_be_plain_or_quoted_and_must_be_there_and_readable() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let plain = place_with_key(&shop, Some(b"8e03978e-40d5"), &mugs(1)).await;
    let quoted = place_with_key(&shop, Some(b"\"8e03978e-40d5\""), &mugs(1)).await;
    assert_eq!((plain.status, quoted.status), (202, 202));
    assert_eq!(plain.body["id"], quoted.body["id"]);
    assert_eq!(place_with_key(&shop, Some(&[b'k'; 255]), &mugs(1)).await.status, 202);

    let (long, latin): (&[u8], &[u8]) = (&[b'k'; 256], &[b'k', 0xe9]);
    let bad = [
        None,
        Some(&b""[..]),
        Some(b"\"\""),
        Some(b"   "),
        Some(b"a\tb"),
        Some(long),
        Some(latin),
        Some("키".as_bytes()),
    ];
    for key in bad {
        let refused = place_with_key(&shop, key, &mugs(1)).await;
        assert_eq!((refused.status, refused.problem()), (400, "bad-header"), "{key:?}");
        let charge =
            shop.request(reqwest::Method::POST, "/v1/wallet/charges").json(&json!({"amount_won": 1}));
        let charge = match key {
            Some(key) => {
                charge.header("Idempotency-Key", reqwest::header::HeaderValue::from_bytes(key).unwrap())
            }
            None => charge,
        };
        assert_eq!(shop.send(charge).await.status, 400, "{key:?}");
    }
    assert_eq!(shop.get("/v1/wallet").await.body["balance_won"], 0);
    world.finish().await;
}

#[tokio::test]
async fn the_keys_of_two_customers_and_of_two_calls_are_strangers() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    let bob = shop.as_customer("bob");
    let alices = shop.post_as("key-1", "/v1/orders", &mugs(1)).await;
    let bobs = bob.post_as("key-1", "/v1/orders", &mugs(2)).await;
    assert_eq!((alices.status, bobs.status), (201, 201));
    assert_ne!(alices.body["id"], bobs.body["id"]);

    for customer in [&shop, &bob] {
        assert_eq!(
            customer.post_as("key-1", "/v1/wallet/charges", &json!({"amount_won": 3_000})).await.status,
            201
        );
    }
    let path = format!("/v1/orders/{}", alices.text("id"));
    let extended = shop.post_as("key-1", &format!("{path}/extend"), &json!({"extend_seconds": 60})).await;
    let paid = shop.post_as("key-1", &format!("{path}/payments"), &json!({"method": "wallet"})).await;
    assert_eq!((extended.status, paid.status, paid.text("status")), (200, 200, "paid"));
    world.finish().await;
}

#[tokio::test]
async fn a_refused_key_stays_refused_when_there_is_stock_again() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    let refused = shop.post_as("key-1", "/v1/orders", &mugs(2)).await;
    assert_eq!(refused.problem(), "out-of-stock");
    shop.stock("mug", 50).await;
    let again = shop.post_as("key-1", "/v1/orders", &mugs(2)).await;
    assert_eq!((again.status, &again.body), (409, &refused.body));
    assert_eq!(shop.post_as("key-2", "/v1/orders", &mugs(2)).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn a_repeated_request_hears_of_an_order_that_is_decided_long_after() {
    let world = World::idle().await;
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let accepted = place_with_key(&shop, Some(b"key-1"), &mugs(1)).await;
    assert_eq!(accepted.status, 202);
    // Two copies of the command wait in the queue when the worker comes.
    let body = mugs(1);
    let (waited, ()) = tokio::join!(shop.post_as("key-1", "/v1/orders", &body), async {
        eventually("both copies wait", async || (world.depth("order.hold").await == 2).then_some(())).await;
        world.start_workers_of(&[Queue::OrderHold]);
    });
    assert_eq!((waited.status, &waited.body["id"]), (201, &accepted.body["id"]));
    assert_eq!(world.count("SELECT count(*) FROM order_events").await, 1);
    world.finish().await;
}

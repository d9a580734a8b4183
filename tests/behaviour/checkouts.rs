//! Checkouts: a cart becomes an order once, whatever is repeated, changed or killed in between, and what was held has left it.

use futures_util::future::join_all;
use holdfast::message::Queue;
use holdfast::store::audit;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cart::items;
use crate::support::client::{Answer, Client};
use crate::support::servers::Servers;
use crate::support::world::World;

/// What an order has.
fn ordered(order: &Answer) -> Vec<(String, i64)> {
    let items = order.body["items"].as_array().unwrap().iter();
    items.map(|item| (item["sku"].as_str().unwrap().to_owned(), item["quantity"].as_i64().unwrap())).collect()
}

/// A shop with three SKUs, and a cart of two of them.
async fn with_cart(shop: &Client) {
    for sku in ["mug", "tee", "pen"] {
        shop.stock(sku, 10).await;
    }
    shop.put_in("mug", 2).await;
    shop.put_in("tee", 1).await;
}

#[tokio::test]
async fn a_refused_checkout_leaves_the_cart_and_says_what_fell_short_and_a_held_one_empties_it() {
    let (world, shop) = World::running().await;
    assert_eq!(shop.check_out("key-0").await.problem(), "cart-empty");
    with_cart(&shop).await;
    shop.put_in("mug", 11).await;
    let refused = shop.check_out("key-1").await;
    assert_eq!((refused.status, refused.problem()), (409, "out-of-stock"));
    let shortages = json!([{"sku": "mug", "requested": 11, "available": 10}]);
    assert_eq!(refused.body["shortages"], shortages);
    let cart = shop.get("/v1/cart").await;
    let last = &cart.body["last_checkout"];
    assert_eq!((&last["status"], &last["order_id"]), (&json!("refused"), &refused.body["order_id"]));
    assert_eq!(
        (&last["refusal"]["shortages"], &cart.body["items"][0]["is_enough"]),
        (&shortages, &json!(false))
    );
    assert_eq!(shop.cart().await, items(&[("mug", 11), ("tee", 1)]));
    // The same key is the same order, refused for good, however the cart is mended; a new one is a new try.
    shop.put_in("mug", 2).await;
    assert_eq!(shop.check_out("key-1").await.body["shortages"], shortages);
    assert_eq!(shop.cart().await, items(&[("mug", 2), ("tee", 1)]));

    let held = shop.check_out("key-2").await;
    assert_eq!(
        (held.status, held.text("status"), ordered(&held)),
        (201, "held", items(&[("mug", 2), ("tee", 1)]))
    );
    let cart = shop.get("/v1/cart").await;
    assert_eq!((&cart.body["items"], &cart.body["last_checkout"]["status"]), (&json!([]), &json!("held")));
    assert_eq!((shop.available("mug").await, shop.available("tee").await), (8, 9));
    // A repeat hears the same, and takes nothing out of what is in the cart by then.
    shop.put_in("mug", 2).await;
    assert_eq!(shop.check_out("key-2").await.lasting(), held.lasting());
    assert_eq!(shop.cart().await, items(&[("mug", 2)]));

    // A key is for one request.
    let longer = json!({"hold_seconds": 60});
    assert_eq!(shop.post_as("key-2", "/v1/cart/checkout", &longer).await.problem(), "key-reused");
    assert_eq!(shop.place_waiting("key-3", "pen", 30).await.status, 201);
    assert_eq!(shop.check_out("key-3").await.problem(), "key-reused");
    for body in [json!({"hold_seconds": 0}), json!({"items": []}), json!([])] {
        assert_eq!(shop.post("/v1/cart/checkout", &body).await.problem(), "unprocessable", "{body}");
    }
    // A price that changed is told, and nothing is held.
    let expected = |won: i64| json!({"expected_amount_won": won});
    shop.patch("/v1/skus/mug", &json!({"price_won": 1_500})).await;
    let changed = shop.post_as("key-4", "/v1/cart/checkout", &expected(2_000)).await;
    assert_eq!(
        (changed.status, changed.problem(), &changed.body["amount_won"]),
        (409, "price-changed", &json!(3_000))
    );
    assert_eq!(shop.get("/v1/cart").await.body["last_checkout"]["refusal"]["reason"], "price_changed");
    assert_eq!(shop.post_as("key-4", "/v1/cart/checkout", &expected(3_000)).await.problem(), "key-reused");
    let no_key = shop.send(shop.request(Method::POST, "/v1/cart/checkout").json(&json!({}))).await;
    assert_eq!(no_key.problem(), "bad-header");
    assert_eq!(shop.cart().await, items(&[("mug", 2)]));
    assert_eq!(shop.post_as("key-5", "/v1/cart/checkout", &expected(3_000)).await.status, 201);
    assert_eq!(shop.cart().await, []);
    world.finish().await;
}

#[tokio::test]
async fn whoever_uses_the_cart_first_takes_out_what_was_held_and_nothing_that_came_meanwhile() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    with_cart(&shop).await;
    let accepted = shop.check_out_async("key-1").await;
    assert_eq!((accepted.status, accepted.text("status")), (202, "accepted"));
    // Nobody has decided: it is all still there, and goes on being changed.
    let open = shop.get("/v1/cart").await;
    assert_eq!((&open.body["last_checkout"]["status"], shop.cart().await.len()), (&json!("open"), 2));
    shop.put_in("mug", 5).await;
    shop.put_in("pen", 1).await;
    // A repeat of the key asks for the same, though the cart has changed, in another process too.
    let elsewhere = world.start_api().await;
    for client in [&shop, &elsewhere] {
        assert_eq!(client.check_out_async("key-1").await.body, accepted.body);
    }
    // The process that took the checkout may be gone by now: only the order's row says what became of it.
    world.start_workers_of(&[Queue::OrderHold]);
    shop.until(accepted.text("id"), "held").await;
    assert_eq!(ordered(&shop.order(accepted.text("id")).await), items(&[("mug", 2), ("tee", 1)]));
    let looks = join_all((0..8).map(|n| {
        let shop = shop.clone();
        async move {
            match n {
                0 => shop.put_in("pen", 2).await,
                1 => shop.check_out_async("key-1").await,
                _ => shop.get("/v1/cart").await,
            }
        }
    }))
    .await;
    assert!(looks.iter().all(|look| look.status < 300), "{looks:?}");
    // Once, however many looked at the same time, and however often its key is repeated.
    assert_eq!(shop.check_out_async("key-1").await.status, 202);
    assert_eq!(shop.cart().await, items(&[("mug", 3), ("pen", 2)]));
    // The audit knows a cart that gave up what nobody held.
    let broken = async || {
        let findings = audit::check(&mut world.pool.acquire().await.unwrap()).await.unwrap();
        findings
            .into_iter()
            .find(|finding| finding.truth == "a_cart_gives_up_only_what_was_held")
            .unwrap()
            .violations
    };
    assert_eq!(broken().await, 0);
    world.execute("UPDATE cart_checkouts SET fingerprint = gen_random_uuid()").await;
    assert_eq!(broken().await, 1);
    world
        .execute("UPDATE cart_checkouts SET fingerprint = o.fingerprint FROM orders o WHERE o.id = order_id")
        .await;
    // What became of the hold afterwards puts nothing back.
    world.start_workers_of(&[Queue::OrderCancel]);
    let cancel = format!("/v1/orders/{}/cancel", accepted.text("id"));
    assert_eq!(shop.post(&cancel, &json!({})).await.status, 200);
    assert_eq!(shop.cart().await, items(&[("mug", 3), ("pen", 2)]));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_checkout_whose_order_never_reached_the_broker_is_asked_for_again_by_its_key_as_it_was() {
    let world = World::on(Servers::shared(), 1).await;
    let shop = world.start_api().await;
    with_cart(&shop).await;
    let mut full = None;
    for n in 0..20 {
        let answer = shop.place_async(&format!("other-{n}"), "pen", 1, 600).await;
        full = full.or((answer.status == 503).then_some(answer));
    }
    assert_eq!(full.expect("the queue is full").problem(), "queue-full");
    let refused = shop.check_out_async("key-1").await;
    assert_eq!((refused.status, refused.problem()), (503, "queue-full"));
    assert_eq!(shop.cart().await, items(&[("mug", 2), ("tee", 1)]));
    shop.delete("/v1/cart/items/tee").await;
    shop.put_in("mug", 3).await;

    world.start_all_workers();
    let held = loop {
        let answer = shop.check_out("key-1").await;
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!((held.status, ordered(&held)), (201, items(&[("mug", 2), ("tee", 1)])));
    assert_eq!(shop.cart().await, items(&[("mug", 1)]));
    world.finish().await;
}

#[tokio::test]
async fn few_checkouts_of_a_cart_are_open_and_an_old_one_gives_way() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    with_cart(&shop).await;
    // Many at once, of which each is the first or comes too late.
    let keys: Vec<String> = (0..13).map(|n| format!("key-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| shop.check_out_async(key))).await;
    let (taken, refused): (Vec<_>, Vec<_>) =
        keys.iter().zip(&answers).partition(|(_, answer)| answer.status == 202);
    assert_eq!(taken.len(), 10);
    refused.iter().for_each(|(_, answer)| answer.asks_to_wait("too-many-checkouts"));
    for (key, _) in &taken {
        assert_eq!(shop.check_out_async(key).await.status, 202, "a repeat is no further checkout");
    }
    // Ten minutes later the oldest may never have reached the broker.
    world.purge("order.hold").await;
    world.execute("UPDATE cart_checkouts SET created_at = created_at - interval '11 minutes'").await;
    let late = refused[0].0;
    assert_eq!(shop.check_out_async(late).await.status, 202);
    let open = "SELECT count(*) FROM cart_checkouts WHERE outcome IS NULL";
    assert_eq!((world.count(open).await, shop.cart().await.len()), (10, 2));
    // Whoever repeats its key after all opens it again, and its items are those it had.
    let given_up: String =
        sqlx::query_scalar("SELECT order_id::text FROM cart_checkouts WHERE outcome = 'given_up'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    let (key, _) = taken.iter().find(|(_, answer)| answer.text("id") == given_up).unwrap();
    world.start_all_workers();
    let held = shop.check_out(key).await;
    assert_eq!((held.status, ordered(&held)), (201, items(&[("mug", 2), ("tee", 1)])));
    assert_eq!(shop.cart().await, []);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn settled_checkouts_are_forgotten_after_a_month_and_their_keys_order_nothing_anew() {
    let (world, shop) = World::running().await;
    with_cart(&shop).await;
    assert_eq!(shop.check_out("key-1").await.status, 201);
    shop.put_in("mug", 2).await;
    shop.put_in("tee", 1).await;
    world.execute("UPDATE cart_checkouts SET settled_at = now() - interval '40 days'").await;
    // The removal looks once a minute, and at once where it begins.
    world.start_workers(Pool::Sweep);
    crate::support::eventually("the checkout is forgotten", async || {
        (world.count("SELECT count(*) FROM cart_checkouts").await == 0).then_some(())
    })
    .await;
    let again = shop.check_out("key-1").await;
    assert_eq!((again.status, again.problem()), (422, "key-reused"));
    assert_eq!(shop.cart().await, items(&[("mug", 2), ("tee", 1)]));
    let cart: Value = shop.get("/v1/cart").await.body;
    assert_eq!(cart["last_checkout"], Value::Null);
    world.finish().await;
}

//! Checkouts: a cart becomes an order once, whatever is repeated, changed or killed in between, and what was held has left it.

use futures_util::future::join_all;
use holdfast::domain::limits::Limits;
use holdfast::message::Queue;
use holdfast::store::audit;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cart::items;
use crate::support::client::{Answer, Client};
use crate::support::eventually;
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
    assert_eq!(given_up_unheld(&world).await, 0);
    world.execute("UPDATE cart_checkouts SET fingerprint = gen_random_uuid()").await;
    assert_eq!(given_up_unheld(&world).await, 1);
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

/// How many checkouts the audit knows for which a cart gave up what nobody held.
async fn given_up_unheld(world: &World) -> i64 {
    let findings = audit::check(&mut world.pool.acquire().await.unwrap()).await.unwrap();
    let mut findings = findings.into_iter();
    findings.find(|finding| finding.truth == "a_cart_gives_up_only_what_was_held").unwrap().violations
}

/// Ten minutes and more go by for all checkouts.
async fn ten_minutes_pass(world: &World) {
    world.execute("UPDATE cart_checkouts SET created_at = created_at - interval '11 minutes'").await;
}

#[tokio::test]
async fn what_an_open_checkout_has_asked_for_is_not_ordered_under_another_key() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    with_cart(&shop).await;
    // A double click whose every request has a key of its own.
    let keys: Vec<String> = (0..5).map(|n| format!("key-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| shop.check_out_async(key))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    assert_eq!(taken.len(), 1);
    for answer in refused {
        assert_eq!((answer.status, answer.problem()), (409, "checkout-open"), "{answer:?}");
        assert_eq!(answer.body["order_id"], taken[0].body["id"]);
    }
    // Another tab orders what came meanwhile, and of what was raised the difference.
    shop.put_in("mug", 5).await;
    shop.put_in("pen", 1).await;
    let more = shop.check_out_async("more").await;
    assert_eq!(more.status, 202);
    shop.put_in("tee", 3).await;
    shop.delete("/v1/cart/items/mug").await;
    world.start_workers_of(&[Queue::OrderHold]);
    for order in [taken[0], &more] {
        shop.until(order.text("id"), "held").await;
    }
    assert_eq!(ordered(&shop.order(taken[0].text("id")).await), items(&[("mug", 2), ("tee", 1)]));
    assert_eq!(ordered(&shop.order(more.text("id")).await), items(&[("mug", 3), ("pen", 1)]));
    assert_eq!(shop.cart().await, items(&[("tee", 2)]));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn few_checkouts_are_undecided_and_one_that_gave_way_still_empties_the_cart() {
    let mut world = World::idle().await;
    world.limits = Limits { max_live_holds: 30, ..Limits::default() };
    let shop = world.start_api().await;
    with_cart(&shop).await;
    let first = shop.check_out_async("first").await;
    assert_eq!(first.status, 202);
    for n in 1..10 {
        shop.put_in("pen", n).await;
        assert_eq!(shop.check_out_async(&format!("key-{n}")).await.status, 202);
    }
    shop.put_in("pen", 10).await;
    shop.check_out_async("late").await.asks_to_wait("too-many-checkouts");
    assert_eq!(shop.check_out_async("first").await.status, 202, "a repeat is no further checkout");
    // Ten minutes later none of them may have reached the broker: they keep nothing from another.
    ten_minutes_pass(&world).await;
    shop.delete("/v1/cart/items/pen").await;
    let late = shop.check_out_async("late").await;
    assert_eq!(late.status, 202);
    let open = "SELECT count(*) FROM cart_checkouts WHERE outcome IS NULL";
    assert_eq!(world.count(open).await, 1);
    // Whoever repeats a key of those hears that it is being ordered under another one by now.
    let again = shop.check_out_async("first").await;
    assert_eq!(
        (again.status, again.problem(), &again.body["order_id"]),
        (409, "checkout-open", &late.body["id"])
    );
    assert_eq!(shop.check_out_async("key-3").await.status, 202, "of which no other has asked");
    assert_eq!(world.count(open).await, 2);
    // They had reached it after all: what is held is no longer in the cart, however late.
    shop.put_in("mug", 5).await;
    shop.put_in("tee", 2).await;
    shop.put_in("pen", 10).await;
    world.start_workers_of(&[Queue::OrderHold]);
    for order in [&first, &late] {
        shop.until(order.text("id"), "held").await;
        assert_eq!(ordered(&shop.order(order.text("id")).await), items(&[("mug", 2), ("tee", 1)]));
    }
    eventually("all are held", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 11).then_some(())
    })
    .await;
    assert_eq!(shop.cart().await, items(&[("mug", 1), ("pen", 1)]));
    assert_eq!(
        world.count("SELECT count(*) FROM cart_checkouts WHERE outcome <> 'held' OR is_watched").await,
        0
    );
    world.finish().await;
}

#[tokio::test]
async fn orders_in_line_keep_no_checkout_waiting_and_one_called_off_hides_none_after_it() {
    let mut world = World::idle().await;
    world.limits = Limits { max_live_holds: 30, ..Limits::default() };
    world.start_all_workers();
    let shop = world.start_api().await;
    shop.stock("rare", 0).await;
    shop.stock("mug", 10).await;
    let in_line = json!({"on_shortage": "wait"});
    let mut waiting = vec![];
    for n in 1..=11 {
        shop.put_in("rare", n).await;
        let answer = shop.post_as(&format!("line-{n}"), "/v1/cart/checkout", &in_line).await;
        assert_eq!((answer.status, answer.text("status")), (202, "waiting"), "{answer:?}");
        waiting.push(answer.text("id").to_owned());
    }
    // What is in line is not asked for twice.
    let twice = shop.check_out("twice").await;
    assert_eq!((twice.status, twice.problem()), (409, "checkout-open"));
    shop.put_in("mug", 1).await;
    let held = shop.check_out("key-1").await;
    assert_eq!((held.status, ordered(&held)), (201, items(&[("mug", 1)])));
    // One in line is called off. Its key again is the same order, and the checkout after it stays the last one.
    assert_eq!(shop.post(&format!("/v1/orders/{}/cancel", waiting[0]), &json!({})).await.status, 200);
    for _ in 0..2 {
        shop.post_as("line-1", "/v1/cart/checkout", &in_line).await;
        let last = &shop.get("/v1/cart").await.body["last_checkout"];
        assert_eq!((&last["order_id"], &last["status"]), (&held.body["id"], &json!("held")));
    }
    assert_eq!(world.count("SELECT count(*) FROM cart_checkouts WHERE outcome = 'given_up'").await, 1);
    // The audit knows it from one that was held and then called off.
    assert_eq!(given_up_unheld(&world).await, 0);
    world.execute("UPDATE cart_checkouts SET outcome = 'held' WHERE outcome = 'given_up'").await;
    assert_eq!(given_up_unheld(&world).await, 1);
    world.execute("UPDATE cart_checkouts SET outcome = 'given_up' WHERE order_id IN (SELECT id FROM orders WHERE status = 'cancelled')").await;
    // Those that are served leave the cart.
    shop.post("/v1/skus/rare/receipts", &json!({"units": 10, "reason": "more"})).await;
    assert_eq!(shop.cart().await, items(&[("rare", 1)]));
    world.finish().await;
}

#[tokio::test]
async fn a_key_of_another_order_is_refused_and_asked_for_once_at_most() {
    let world = World::idle().await;
    let (shop, elsewhere) = (world.start_api().await, world.start_api().await);
    with_cart(&shop).await;
    let other = shop.place_async("key-1", "pen", 1, 600).await;
    // Nobody knows yet that the key is used.
    assert_eq!(elsewhere.check_out_async("key-1").await.status, 202);
    world.start_all_workers();
    shop.until(other.text("id"), "held").await;
    eventually("both are decided", async || {
        (world.depth("order.hold").await == 0 && world.count("SELECT count(*) FROM dead_letters").await == 1)
            .then_some(())
    })
    .await;
    for _ in 0..3 {
        assert_eq!(elsewhere.check_out_async("key-1").await.problem(), "key-reused");
    }
    // A later order is decided after whatever those asked for.
    assert_eq!(shop.place("pen", 1, 600).await.status, 201);
    let deaths = "SELECT count(*) FROM dead_letter_deaths";
    assert_eq!((world.count(deaths).await, shop.cart().await.len()), (1, 2));
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
    eventually("the checkout is forgotten", async || {
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

//! Waiting in line: what comes free goes to those who wait, in the order in which they came, before anybody new.

use holdfast::message::Queue;
use holdfast_workers::loops::serve_waiting;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::streams::Stream;
use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::random::Random;
use crate::support::world::World;

fn waiting(items: &Value) -> Value {
    json!({"items": items, "on_shortage": "wait"})
}

fn one(sku: &str, quantity: i64) -> Value {
    json!([{"sku": sku, "quantity": quantity}])
}

async fn wait_for(shop: &Client, customer: &str, sku: &str, quantity: i64) -> String {
    let answer = shop.as_customer(customer).post("/v1/orders", &waiting(&one(sku, quantity))).await;
    assert_eq!((answer.status, answer.text("status")), (202, "waiting"), "{answer:?}");
    answer.text("id").to_owned()
}

async fn cancel(shop: &Client, order: &str) -> Answer {
    shop.post(&format!("/v1/orders/{order}/cancel"), &json!({})).await
}

async fn statuses(shop: &Client, orders: &[(&str, &String)]) -> Vec<String> {
    let mut statuses = vec![];
    for (customer, order) in orders {
        statuses.push(shop.as_customer(customer).status(order).await);
    }
    statuses
}

#[tokio::test]
async fn what_is_cancelled_goes_to_the_first_in_line_for_its_full_time_and_nobody_new_gets_it() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let body =
        json!({"items": one("mug", 1), "on_shortage": "wait", "hold_seconds": 300, "wait_seconds": 100});
    let first = shop.as_customer("bob").post("/v1/orders", &body).await;
    assert_eq!((first.status, first.text("status")), (202, "waiting"));
    assert!(first.body.get("expires_at").is_none() && first.body["amount_won"] == 1_000, "{first:?}");
    let first = first.text("id").to_owned();
    let mut following = Stream::open(&shop.as_customer("bob"), &first, None).await;
    let waits = following.next().await;
    assert_eq!((waits.kind.as_str(), waits.data["sequence"].as_i64()), ("order.waiting", Some(1)));
    let second = wait_for(&shop, "carol", "mug", 1).await;
    let refused = shop.as_customer("dave").place("mug", 1, 60).await;
    assert_eq!(refused.problem(), "out-of-stock");

    let place = shop.as_customer("carol").get(&format!("/v1/orders/{second}/place")).await;
    assert_eq!((place.status, &place.body["places"][0]["before"]), (200, &json!(1)), "{place:?}");
    let place = shop.as_customer("bob").get(&format!("/v1/orders/{first}/place")).await;
    assert_eq!(place.body["places"][0]["before"], 0);

    cancel(&shop, held.text("id")).await;
    let served = shop.as_customer("bob").order(&first).await;
    assert_eq!(served.text("status"), "held", "in the transaction that freed it");
    let length: i64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM expires_at - held_at)::bigint FROM orders WHERE status = 'held'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(length, 300);
    assert_eq!(shop.as_customer("bob").get(&format!("/v1/orders/{first}/place")).await.status, 404);
    assert_eq!(shop.as_customer("carol").status(&second).await, "waiting");
    // Who follows the order hears of it, and of nothing in between.
    let turn = following.next().await;
    assert_eq!((turn.kind.as_str(), turn.data["sequence"].as_i64()), ("order.held", Some(2)));
    assert_eq!(turn.data["data"]["expires_at"], served.body["expires_at"]);
    assert_eq!(turn.data["data"]["waiting_since"], waits.data["occurred_at"]);

    // Paid units are gone; who waits for them waits on, and may leave.
    shop.as_customer("bob").charge(1_000).await;
    assert_eq!(shop.as_customer("bob").pay(&first).await.status, 200);
    let paying = shop.as_customer("carol").pay(&second).await;
    assert_eq!((paying.status, paying.problem()), (409, "wrong-state"));
    assert_eq!(cancel(&shop.as_customer("carol"), &second).await.status, 200);
    assert_eq!(world.count("SELECT count(*) FROM waiting_orders").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn every_way_in_which_units_come_free_serves_the_line_in_its_own_transaction() {
    // Neither the sweeper nor the loop over the lines runs.
    let world = World::idle().await;
    world.start_workers_of(&Queue::ALL);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    shop.charge(10_000).await;
    let served = async |order: &str, customer: &str| {
        let shop = shop.as_customer(customer);
        assert_eq!(shop.status(order).await, "held", "{customer}");
    };
    // A receipt, for two who wait.
    let bought = shop.place("mug", 1, 60).await;
    assert_eq!(shop.pay(bought.text("id")).await.status, 200);
    let (a, b) = (wait_for(&shop, "a", "mug", 1).await, wait_for(&shop, "b", "mug", 1).await);
    let received = shop.post("/v1/skus/mug/receipts", &json!({"units": 2, "reason": "more"})).await;
    assert_eq!((&received.body["on_hand"], &received.body["available"]), (&json!(2), &json!(0)));
    served(&a, "a").await;
    served(&b, "b").await;
    // An expiry, whose timer wakes a worker.
    let c = wait_for(&shop, "c", "mug", 1).await;
    world.make_overdue(&a).await;
    let due = json!({"version": 1, "due_at": "2026-01-01T00:00:00Z", "order_ids": [a]});
    world.publish_raw("order.expire", due.to_string().as_bytes()).await;
    shop.as_customer("c").until(&c, "held").await;
    // A refund.
    let d = wait_for(&shop, "d", "mug", 1).await;
    let path = format!("/v1/orders/{}/refunds", bought.text("id"));
    let refunded = shop.post(&path, &json!({"reason": "returned", "restock": true})).await;
    assert_eq!(refunded.status, 200, "{refunded:?}");
    served(&d, "d").await;
    // A buyer who is short releases an overdue hold: it goes to the line, not to them.
    let e = wait_for(&shop, "e", "mug", 1).await;
    world.make_overdue(&b).await;
    assert_eq!(shop.as_customer("new").place("mug", 1, 60).await.problem(), "out-of-stock");
    served(&e, "e").await;
    // A payment that comes too late.
    let f = wait_for(&shop, "f", "mug", 1).await;
    world.make_overdue(&e).await;
    assert_eq!(shop.as_customer("e").pay(&e).await.status, 410);
    served(&f, "f").await;
    world.finish().await;
}

#[tokio::test]
async fn a_hold_that_begins_for_who_waited_has_its_timer_and_a_gift_is_handed_over_or_not_waited_for() {
    // Nothing but its timer ends it.
    let world = World::idle().await;
    world.start_workers_of(&Queue::ALL);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let body = json!({"items": one("mug", 1), "on_shortage": "wait", "hold_seconds": 2});
    let served = shop.as_customer("bob").post("/v1/orders", &body).await.text("id").to_owned();
    cancel(&shop, held.text("id")).await;
    shop.as_customer("bob").until(&served, "expired").await;
    // What costs nothing is never on hold: it is not waited for alone, nor as one of any.
    shop.put("/v1/skus/gift", &json!({"name": "Gift", "price_won": 0})).await;
    shop.stock("tee", 0).await;
    let any = json!([{"sku": "gift", "quantity": 1}, {"sku": "tee", "quantity": 1}]);
    let any = json!({"items": any, "on_shortage": "wait", "wait_for": "any"});
    assert_eq!(shop.as_customer("carol").post("/v1/orders", &any).await.problem(), "out-of-stock");
    world.finish().await;
}

#[tokio::test]
async fn somebody_new_is_decided_behind_a_long_line_though_nobody_else_serves_it() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 0).await;
    let mut line = vec![];
    for customer in 0..30 {
        let customer = format!("c{customer}");
        line.push(shop.as_customer(&customer).place_in_line_async("mug").await);
    }
    eventually("all wait", async || {
        (world.count("SELECT count(*) FROM waiting_orders").await == 30).then_some(())
    })
    .await;
    // Somebody keeps the first of them locked, who cannot be served now.
    let mut locked = world.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM orders WHERE id = (SELECT order_id FROM waiting_orders ORDER BY place LIMIT 1) FOR UPDATE")
        .execute(&mut *locked).await.unwrap();
    shop.post("/v1/skus/mug/receipts", &json!({"units": 32, "reason": "x"})).await;
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE status = 'held'").await, 29);
    assert_eq!(shop.as_customer("new").place("mug", 1, 60).await.problem(), "out-of-stock");
    wait_for(&shop, "newer", "mug", 1).await;
    locked.rollback().await.unwrap();
    assert_eq!(serve_waiting::look(&world.pool, &mut None).await.unwrap(), (2, 0));
    world.finish().await;
}

#[tokio::test]
async fn an_order_of_several_items_is_served_whole_or_not_at_all_and_passed_over_meanwhile() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 2).await;
    shop.stock("tee", 0).await;
    let held = shop.place("mug", 2, 60).await;
    let both = json!([{"sku": "mug", "quantity": 1}, {"sku": "tee", "quantity": 1}]);
    let all = shop.as_customer("all").post("/v1/orders", &waiting(&both)).await.text("id").to_owned();
    let mut any = waiting(&both);
    any["wait_for"] = json!("any");
    let any = shop.as_customer("any").post("/v1/orders", &any).await.text("id").to_owned();
    let three = wait_for(&shop, "three", "mug", 3).await;
    let single = wait_for(&shop, "single", "mug", 1).await;
    let orders = [("all", &all), ("any", &any), ("three", &three), ("single", &single)];

    cancel(&shop, held.text("id")).await;
    assert_eq!(statuses(&shop, &orders).await, ["waiting", "held", "waiting", "held"]);
    let some = shop.as_customer("any").order(&any).await.body;
    assert_eq!((some["items"].as_array().unwrap().len(), &some["amount_won"]), (1, &json!(1_000)), "{some}");
    // It has gone over to the line of what it lacks, and back, without losing its place.
    shop.post("/v1/skus/tee/receipts", &json!({"units": 1, "reason": "x"})).await;
    assert_eq!(shop.as_customer("all").status(&all).await, "waiting");
    assert_eq!((shop.available("mug").await, shop.available("tee").await), (0, 1));
    let place = shop.as_customer("all").get(&format!("/v1/orders/{all}/place")).await.body;
    assert_eq!(
        (&place["places"][0]["sku"], &place["places"][0]["before"]),
        (&json!("mug"), &json!(0)),
        "{place}"
    );
    shop.post("/v1/skus/mug/receipts", &json!({"units": 3, "reason": "x"})).await;
    assert_eq!(statuses(&shop, &orders).await, ["held", "held", "waiting", "held"]);
    // Those who want less than the one in line are not held up by it.
    assert_eq!(shop.as_customer("new").place("mug", 1, 60).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn waiting_orders_count_against_the_limits_and_end_when_their_time_is_up() {
    let (world, shop) = World::running().await;
    let ticket = json!({"name": "Ticket", "price_won": 1_000, "on_hand": 1, "max_per_customer": 2});
    shop.put("/v1/skus/ticket", &ticket).await;
    shop.as_customer("first").place("ticket", 1, 60).await;
    let waits = wait_for(&shop, "bob", "ticket", 1).await;
    wait_for(&shop, "bob", "ticket", 1).await;
    let third = shop.as_customer("bob").post("/v1/orders", &waiting(&one("ticket", 1))).await;
    assert_eq!((third.problem(), &third.body["already_held"]), ("too-many-units", &json!(2)));
    for body in [
        json!({"items": one("ticket", 1), "wait_seconds": 5}),
        json!({"items": one("ticket", 1), "on_shortage": "wait", "wait_seconds": 0}),
        json!({"items": one("ticket", 1), "on_shortage": "maybe"}),
    ] {
        assert_eq!(shop.as_customer("carol").post("/v1/orders", &body).await.status, 422, "{body}");
    }
    let gift = json!({"name": "Gift", "price_won": 0});
    shop.put("/v1/skus/gift", &gift).await;
    let free = shop.as_customer("carol").post("/v1/orders", &waiting(&one("gift", 1))).await;
    assert_eq!(free.problem(), "out-of-stock", "what costs nothing is not waited for");

    sqlx::query("WITH own AS (UPDATE orders SET created_at = now() - interval '2 s', expires_at = now() WHERE id = $1)
                 UPDATE waiting_orders SET wait_until = now() WHERE order_id = $1")
        .bind(waits.parse::<Uuid>().unwrap()).execute(&world.pool).await.unwrap();
    shop.as_customer("bob").until(&waits, "refused").await;
    let ended = shop.as_customer("bob").order(&waits).await.body;
    assert_eq!(ended["refusal"]["reason"], "wait_ended");
    let mut following = Stream::open(&shop.as_customer("bob"), &waits, None).await;
    let told = [following.next().await.kind, following.next().await.kind];
    assert_eq!(told, ["order.waiting", "order.refused"]);
    world.finish().await;
}

#[tokio::test]
async fn before_a_sale_buyers_stand_in_line_and_are_held_in_that_order_when_it_begins() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    let sale = json!({"name": "Drop", "price_won": 9_000, "on_hand": 2, "sale_from": "2999-01-01T00:00:00Z"});
    shop.put("/v1/skus/drop", &sale).await;
    let mut orders = vec![];
    for customer in ["a", "b", "c"] {
        orders.push((customer, wait_for(&shop, customer, "drop", 1).await));
    }
    let orders: Vec<(&str, &String)> = orders.iter().map(|(customer, order)| (*customer, order)).collect();
    let until = shop.as_customer("a").order(orders[0].1).await.body["wait_until"].clone();
    assert_eq!(until, "2999-01-02T00:00:00Z", "patience begins with the sale");
    assert_eq!(shop.as_customer("new").place("drop", 1, 60).await.problem(), "off-sale");
    let mut after = None;
    assert_eq!(serve_waiting::look(&world.pool, &mut after).await.unwrap(), (0, 0));

    shop.patch("/v1/skus/drop", &json!({"sale_from": "2000-01-01T00:00:00Z"})).await;
    // Somebody new who is faster than the loop does not overtake them.
    assert_eq!(shop.as_customer("new").place("drop", 1, 60).await.problem(), "out-of-stock");
    assert_eq!(statuses(&shop, &orders).await, ["held", "held", "waiting"]);
    // Without anybody new the loop does it.
    shop.patch("/v1/skus/drop", &json!({"is_active": false})).await;
    shop.post("/v1/skus/drop/receipts", &json!({"units": 1, "reason": "x"})).await;
    assert_eq!(shop.as_customer("c").status(orders[2].1).await, "waiting");
    shop.patch("/v1/skus/drop", &json!({"is_active": true})).await;
    assert_eq!(serve_waiting::look(&world.pool, &mut after).await.unwrap(), (1, 0));
    assert_eq!(statuses(&shop, &orders).await, ["held", "held", "held"]);
    world.finish().await;
}

/// A shop as simple as can be: who waits, in the order of arrival, and what is free.
#[derive(Default)]
struct Model {
    free: [i64; 2],
    line: Vec<(String, Vec<(usize, i64)>)>,
    held: Vec<(String, Vec<(usize, i64)>)>,
}

impl Model {
    fn serve(&mut self) {
        let line = std::mem::take(&mut self.line);
        for (order, items) in line {
            if items.iter().all(|(sku, units)| self.free[*sku] >= *units) {
                items.iter().for_each(|(sku, units)| self.free[*sku] -= units);
                self.held.push((order, items));
            } else {
                self.line.push((order, items));
            }
        }
    }
}

#[tokio::test]
async fn random_orders_receipts_and_cancellations_end_as_in_a_simple_model() {
    let (world, shop) = World::running().await;
    let skus = ["mug", "tee"];
    for sku in skus {
        shop.stock(sku, 0).await;
    }
    let (mut random, mut model) = (Random(11), Model::default());
    for step in 0..60 {
        match random.below(3) {
            0 => {
                let (sku, units) = (random.below(2) as usize, 1 + random.below(3));
                shop.post(
                    &format!("/v1/skus/{}/receipts", skus[sku]),
                    &json!({"units": units, "reason": "x"}),
                )
                .await;
                model.free[sku] += units;
            }
            1 if !model.held.is_empty() => {
                let (order, items) = model.held.remove(random.below(model.held.len() as i64) as usize);
                let (customer, id) = order.split_once(' ').unwrap();
                assert_eq!(cancel(&shop.as_customer(customer), id).await.status, 200);
                items.iter().for_each(|(sku, units)| model.free[*sku] += units);
            }
            _ => {
                let mut items = vec![(random.below(2) as usize, 1 + random.below(3))];
                if random.below(2) == 0 {
                    items.push((1 - items[0].0, 1 + random.below(2)));
                }
                let wanted = items.iter().map(|(sku, units)| json!({"sku": skus[*sku], "quantity": units}));
                let customer = format!("c{step}");
                let body = waiting(&wanted.collect());
                let answer = shop.as_customer(&customer).post("/v1/orders", &body).await;
                model.line.push((format!("{customer} {}", answer.text("id")), items));
            }
        }
        model.serve();
    }
    for (orders, status) in [(&model.held, "held"), (&model.line, "waiting")] {
        for (order, _) in orders {
            let (customer, id) = order.split_once(' ').unwrap();
            // An order that wants both may have been passed over by a lock, and is served within a second.
            shop.as_customer(customer).until(id, status).await;
        }
    }
    eventually("what is free is what the model says", async || {
        let free = [shop.available("mug").await, shop.available("tee").await];
        (free == model.free).then_some(())
    })
    .await;
    world.finish().await;
}

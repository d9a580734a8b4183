//! Many at once: for the last unit, under one key, and for one customer's limit.

use holdfast::domain::limits::Limits;
use holdfast::message::Queue;
use holdfast_workers::engine::worker::{ApplyError, Worker as _};
use holdfast_workers::jobs::hold_orders::HoldOrders;
use holdfast_workers::pools::Pool;
use serde_json::json;

use crate::commands::{
    apply, apply_alone, charge, delivered, hold, publish, until_somebody_waits_for_a_lock,
};
use crate::support::eventually;
use crate::support::random::Random;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_buyers_at_once_exactly_one_holds_the_last_unit() {
    let (world, shop) = World::running().await;
    world.start_workers(Pool::Commands(Queue::OrderHold));
    shop.stock("last", 1).await;

    let buyers = (0..100).map(|n| shop.as_customer(&format!("buyer-{n}")));
    let answers = buyers.map(|buyer| tokio::spawn(async move { buyer.place("last", 1, 600).await }));
    let mut held = 0;
    for answer in answers.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        match answer.status {
            201 => held += 1,
            _ => assert_eq!(answer.problem(), "out-of-stock"),
        }
    }
    assert_eq!(held, 1);
    assert_eq!(shop.available("last").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 100);
    world.finish().await;
}

#[tokio::test]
async fn of_two_batches_that_count_on_the_same_unit_the_slower_one_decides_again() {
    let (world, shop) = World::running().await;
    shop.stock("last", 1).await;
    let worker = HoldOrders::new(Limits::default(), 250);
    let [faster, slower] = ["alice", "bob"].map(|customer| hold(customer, &[("last", 1)], 600));

    // Neither has committed when the other one looks at the stock.
    let mut first = world.pool.begin().await.unwrap();
    apply(&mut first, &worker, vec![faster]).await;
    let mut second = world.pool.begin().await.unwrap();
    let batch = [delivered(slower.clone())];
    let (applied, ()) = tokio::join!(worker.apply(&mut second, &batch), async {
        until_somebody_waits_for_a_lock(&world).await;
        first.commit().await.unwrap();
    });
    assert!(matches!(applied, Err(ApplyError::Overtaken)), "{applied:?}");
    second.rollback().await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 1);

    // The runner gives it the batch again, and it sees what is left.
    apply_alone(&world, &worker, vec![slower]).await;
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE status = 'refused'").await, 1);
    assert_eq!(shop.available("last").await, 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_posts_with_one_key_are_one_order_and_fifty_payments_take_money_once() {
    let (world, shop) = World::running().await;
    world.start_workers(Pool::Commands(Queue::OrderHold));
    world.start_workers(Pool::Commands(Queue::PaymentConfirm));
    shop.stock("mug", 100).await;
    charge(&world, "alice", 50_000).await;

    let body = json!({"items": [{"sku": "mug", "quantity": 2}], "hold_seconds": 600});
    let posts = (0..50).map(|_| {
        let request = shop.request(reqwest::Method::POST, "/v1/orders").header("Idempotency-Key", "one");
        let (shop, request) = (shop.clone(), request.header("Prefer", "wait=30").json(&body));
        tokio::spawn(async move { shop.send(request).await })
    });
    let mut ids = Vec::new();
    for answer in posts.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        ids.push(answer.text("id").to_owned());
    }
    ids.dedup();
    let [id] = ids.as_slice() else { panic!("one key made several orders: {ids:?}") };
    assert_eq!(shop.available("mug").await, 98);

    // Each payment has a key of its own: fifty clicks, one effect.
    let payments = (0..50).map(|_| {
        let (shop, id) = (shop.clone(), id.clone());
        tokio::spawn(async move { shop.pay(&id).await })
    });
    for answer in payments.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(shop.get("/v1/wallet").await.body["balance_won"], 48_000);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_hold_runners_at_once_exceed_neither_stock_nor_limits() {
    const ORDERS: i64 = 900;
    let mut world = World::idle().await;
    world.limits = Limits { max_live_holds: 4, max_units_per_sku: 6 };
    let shop = world.start_api().await;
    for sku in 0..5 {
        shop.stock(&format!("sku-{sku}"), 40).await;
    }
    let mut random = Random(7);
    for _ in 0..ORDERS {
        let customer = format!("buyer-{}", random.below(60));
        let (one, other) = (format!("sku-{}", random.below(5)), format!("sku-{}", random.below(5)));
        let items = [(one.as_str(), 1 + random.below(4)), (other.as_str(), 1 + random.below(4))];
        publish(&world, &hold(&customer, &items, 600)).await;
    }
    (0..4).for_each(|_| world.start_workers(Pool::Commands(Queue::OrderHold)));
    eventually("all orders are decided", async || {
        (world.count("SELECT count(*) FROM orders").await == ORDERS).then_some(())
    })
    .await;

    let over_holds = "SELECT count(*) FROM (SELECT FROM orders WHERE status = 'held'
                       GROUP BY customer_id HAVING count(*) > 4) AS over";
    assert_eq!(world.count(over_holds).await, 0);
    let over_units = "SELECT count(*) FROM (SELECT FROM orders JOIN order_items ON order_id = orders.id
                       WHERE status = 'held' GROUP BY customer_id, sku_id HAVING sum(quantity) > 6) AS over";
    assert_eq!(world.count(over_units).await, 0);
    // Far more was asked for than there is, so the shelves must be all but empty, and never below that.
    let left = world.count("SELECT sum(on_hand - reserved)::bigint FROM stock").await;
    assert!((0..20).contains(&left), "{left} of 200 units are left");
    world.finish().await;
}

#[tokio::test]
async fn one_order_delivered_to_two_workers_at_once_is_decided_once() {
    let (world, worker) = with_stock(Limits::default()).await;
    let command = hold("alice", &[("mug", 2)], 600);
    let (mut first, mut second) = (world.pool.begin().await.unwrap(), world.pool.begin().await.unwrap());
    apply(&mut first, &worker, vec![command.clone()]).await;
    let applying = async {
        let applied = apply(&mut second, &worker, vec![command]).await;
        second.commit().await.unwrap();
        applied
    };
    let (applied, ()) = tokio::join!(applying, async {
        until_somebody_waits_for_a_lock(&world).await;
        first.commit().await.unwrap();
    });
    assert_eq!(applied.wake_ups.len(), 1, "whoever comes second orders the timer again");
    assert_eq!(world.count("SELECT sum(reserved)::bigint FROM stock").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn one_customer_at_two_workers_with_different_skus_exceeds_no_limit() {
    let (world, worker) = with_stock(Limits { max_live_holds: 1, max_units_per_sku: 100 }).await;
    let (mut first, mut second) = (world.pool.begin().await.unwrap(), world.pool.begin().await.unwrap());
    apply(&mut first, &worker, vec![hold("alice", &[("mug", 1)], 600)]).await;
    let applying = async {
        apply(&mut second, &worker, vec![hold("alice", &[("tee", 1)], 600)]).await;
        second.commit().await.unwrap();
    };
    tokio::join!(applying, async {
        until_somebody_waits_for_a_lock(&world).await;
        first.commit().await.unwrap();
    });
    let refused = "SELECT count(*) FROM orders WHERE refusal ->> 'reason' = 'too_many_holds'";
    assert_eq!(world.count(refused).await, 1);
    world.finish().await;
}

async fn with_stock(limits: Limits) -> (World, HoldOrders) {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    shop.stock("tee", 10).await;
    (world, HoldOrders::new(limits, 250))
}

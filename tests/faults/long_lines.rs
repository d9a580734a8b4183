//! What an order costs does not depend on how many wait for what it wants: rows are counted, not time.

use holdfast::domain::ids::CommandId;
use holdfast::domain::limits::Limits;
use holdfast::domain::waiting::{WaitFor, WaitSeconds, WaitTerms};
use holdfast::message::{CancelOrder, HoldOrder, Version};
use holdfast_workers::jobs::cancel_orders::CancelOrders;
use holdfast_workers::jobs::hold_orders::HoldOrders;
use holdfast_workers::loops::serve_waiting;

use crate::bounded_work::{measure, without_statistics};
use crate::commands::{apply_alone, hold};
use crate::support::world::World;

/// Rows and entries of indexes that one command may read.
const ROWS_PER_COMMAND: i64 = 150;

#[tokio::test]
async fn an_order_costs_the_same_however_many_wait_for_what_it_wants() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 20).await;
    without_statistics(&world).await;
    let holding = HoldOrders::new(Limits::default(), 500);
    let held: Vec<HoldOrder> = (0..20).map(|n| hold(&format!("holder-{n}"), &[("mug", 1)], 600)).collect();
    apply_alone(&world, &holding, held.clone()).await;
    // Of two sizes; those who want three come first.
    world.execute(LONG_LINE).await;
    let mut held = held.into_iter();
    let mut read = vec![];
    for (round, statistics) in ["none", "fresh"].into_iter().enumerate() {
        if statistics == "fresh" {
            world.execute("ANALYZE").await;
        }
        let new = |name: &str, n: usize| hold(&format!("{name}-{round}-{n}"), &[("mug", 1)], 600);
        let refused: Vec<HoldOrder> = (0..10).map(|n| new("refused", n)).collect();
        read.push((statistics, "refused", measure(&world, &holding, refused).await / 10));
        let terms = WaitTerms { seconds: WaitSeconds::STANDARD, wait_for: WaitFor::All };
        let joining = |n| HoldOrder { wait: Some(terms), ..new("joining", n) };
        read.push((
            statistics,
            "joining",
            measure(&world, &holding, (0..10).map(joining).collect()).await / 10,
        ));
        let cancelled = held.by_ref().take(10).map(|order| {
            let (version, command_id) = (Version, CommandId::fresh());
            CancelOrder { version, command_id, order_id: order.order_id }
        });
        read.push((statistics, "cancelled", measure(&world, &CancelOrders, cancelled.collect()).await / 10));
    }
    let too_many: Vec<_> = read.iter().filter(|(.., rows)| *rows > ROWS_PER_COMMAND).collect();
    assert!(too_many.is_empty(), "rows read per command: {too_many:?} of {read:?}");
    assert!(read.iter().any(|(.., rows)| *rows > 10), "reading is not counted: {read:?}");
    // Of ten units three went to each of the first three who want so many, and the last one to the first who wants one.
    let served = "SELECT array_agg(customer_id ORDER BY customer_id) FROM orders
                   WHERE status = 'held' AND customer_id ~ '^(three|one)-'";
    let served: Vec<String> = sqlx::query_scalar(served).fetch_one(&world.pool).await.unwrap();
    assert_eq!(served, ["one-1", "one-2", "three-1", "three-2", "three-3", "three-4", "three-5", "three-6"]);
    assert_eq!(serve_waiting::look(&world.pool, &mut None).await.unwrap(), (0, 0));
    world.finish().await;
}

/// Five thousand who want three, then five thousand who want one.
const LONG_LINE: &str = "
    WITH new AS MATERIALIZED (
        SELECT gen_random_uuid() AS id, n, CASE WHEN n <= 5000 THEN 3 ELSE 1 END AS units,
               CASE WHEN n <= 5000 THEN 'three-' || n ELSE 'one-' || n - 5000 END AS customer
          FROM generate_series(1, 10000) AS n),
    sku AS (SELECT id, code FROM skus WHERE code = 'mug'),
    placed AS (
        INSERT INTO orders (id, customer_id, status, amount_won, fingerprint, created_at, expires_at)
        SELECT id, customer, 'waiting', units * 1000, id, now(), now() + interval '1 day' FROM new),
    items AS (
        INSERT INTO order_items (order_id, sku_id, position, quantity, unit_price_won, discount_ratio_bp, amount_won,
                                 sku_code, name)
        SELECT new.id, sku.id, 0, units, 1000, 0, units * 1000, code, 'The mug' FROM new, sku),
    told AS (
        INSERT INTO order_events (order_id, command_id, type, data, sequence)
        SELECT id, id, 'order.waiting', '{}', 1 FROM new),
    joined AS (
        INSERT INTO waiting_orders (order_id, customer_id, hold_seconds, takes_any, wait_until)
        SELECT id, customer, 600, false, now() + interval '1 day' FROM new ORDER BY n RETURNING order_id, place),
    lines AS (
        INSERT INTO waiting_lines (sku_id, quantity, place, order_id)
        SELECT sku.id, new.units, joined.place, new.id FROM joined JOIN new ON new.id = joined.order_id, sku)
    UPDATE stock SET least_waiting = 1 FROM sku WHERE stock.sku_id = sku.id";

//! What went back is counted whoever gave it back: before there was a count, while the past is counted, and since.

use holdfast_workers::jobs::refund_orders::RefundOrders;
use sqlx::raw_sql;

use crate::commands::{apply_alone, until_somebody_waits_for_a_lock};
use crate::support::world::World;
use crate::units_bought::{buy, refund, with_tickets};

const COUNTED: &str = include_str!("../../migrations/0157_returned_is_counted.sql");
const BEFORE: &str = include_str!("../../migrations/0158_returned_before.sql");
const IN_FULL: &str = include_str!("../../migrations/0162_returned_is_counted_in_full.sql");

/// A gateway refuses the last of the past's refunds that it was asked for.
const REFUSE_ONE: &str = "UPDATE refunds SET status = 'refused', closed_at = now()
     WHERE id = (SELECT id FROM refunds WHERE status = 'requesting' ORDER BY id DESC LIMIT 1)";

#[tokio::test]
async fn refunds_of_before_are_counted_in_parts_while_others_refund_and_are_refused() {
    let (world, worker) = with_tickets(100).await;
    let [before, during, after] = [
        buy(&world, &worker, "alice").await,
        buy(&world, &worker, "alice").await,
        buy(&world, &worker, "alice").await,
    ];
    apply_alone(&world, &RefundOrders, vec![refund(before)]).await;
    // The schema of the version before, with a past of several parts. A gateway is asked for the last ones still.
    for undo in [
        "DROP FUNCTION count_refunds, count_refund_items, count_refund_back CASCADE",
        "UPDATE payments SET returned_wallet_won = 0, returned_points_won = 0, returned_card_won = 0",
        "UPDATE order_items SET returned_units = 0",
        "INSERT INTO refunds
         SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid()))).*
           FROM refunds r CROSS JOIN generate_series(1, 5000)",
        "INSERT INTO refund_items
         SELECT (jsonb_populate_record(i, jsonb_build_object('refund_id', r.id))).*
           FROM refunds r CROSS JOIN refund_items i WHERE r.id <> i.refund_id",
        "UPDATE refunds SET status = 'requesting', closed_at = NULL, wallet_won = 0, card_won = amount_won
          WHERE id IN (SELECT id FROM refunds WHERE id NOT IN (SELECT command_id FROM order_events) ORDER BY id DESC LIMIT 3)",
    ] {
        world.execute(undo).await;
    }

    let mut tx = world.pool.begin().await.unwrap();
    raw_sql(COUNTED).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    apply_alone(&world, &RefundOrders, vec![refund(during)]).await;
    let mut refusing = world.pool.begin().await.unwrap();
    raw_sql("SELECT FROM payments FOR NO KEY UPDATE").execute(&mut *refusing).await.unwrap();
    raw_sql(REFUSE_ONE).execute(&mut *refusing).await.unwrap();
    tokio::join!(world.execute(BEFORE), async {
        until_somebody_waits_for_a_lock(&world).await;
        refusing.commit().await.unwrap();
    });
    is_counted(&world).await;
    // Once more, as after a crash behind the last part.
    world.execute(BEFORE).await;
    raw_sql(REFUSE_ONE).execute(&world.pool).await.unwrap();
    is_counted(&world).await;

    let mut tx = world.pool.begin().await.unwrap();
    raw_sql(IN_FULL).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    raw_sql(REFUSE_ONE).execute(&world.pool).await.unwrap();
    apply_alone(&world, &RefundOrders, vec![refund(after)]).await;
    is_counted(&world).await;
    assert_eq!(world.count("SELECT count(*) FROM refunds WHERE status = 'refused'").await, 3);

    // What was invented goes, and the audit finds that the rest is whole.
    for undo in [
        "DELETE FROM refund_items WHERE refund_id NOT IN (SELECT command_id FROM order_events)",
        "DELETE FROM refunds WHERE id NOT IN (SELECT command_id FROM order_events)",
        "UPDATE payments SET returned_wallet_won = 1000, returned_card_won = 0",
        "UPDATE order_items SET returned_units = 1",
    ] {
        world.execute(undo).await;
    }
    world.finish().await;
}

/// The counters are those of all refunds that were not refused.
async fn is_counted(world: &World) {
    let payments = "SELECT count(*) FROM payments p
         WHERE (returned_wallet_won, returned_points_won, returned_card_won) IS DISTINCT FROM
               (SELECT (coalesce(sum(wallet_won), 0)::bigint, coalesce(sum(points_won), 0)::bigint,
                        coalesce(sum(card_won), 0)::bigint)
                  FROM refunds WHERE payment_id = p.id AND status <> 'refused')";
    let items = "SELECT count(*) FROM order_items i
         WHERE returned_units <> (SELECT coalesce(sum(ri.quantity), 0) FROM refunds r JOIN refund_items ri ON ri.refund_id = r.id
                                   WHERE r.order_id = i.order_id AND ri.sku_id = i.sku_id AND r.status <> 'refused')";
    assert_eq!((world.count(payments).await, world.count(items).await), (0, 0));
}

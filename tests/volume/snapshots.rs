//! A long snapshot, such as a dump's, keeps what has ended in the indexes: nobody walks over it again and again.

use holdfast::message::Queue;
use holdfast::store::open_marks::From;
use holdfast::store::operators::tokens::Role;
use holdfast::store::orders::overdue_holds;
use holdfast_workers::loops::sweep;
use holdfast_workers::loops::sweep_holds::sweep as sweep_holds;
use holdfast_workers::pools::Pool;
use sqlx::Connection as _;

use crate::meter::{Meter, metered_world};
use crate::past::{self, SOME_HOLDS};
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn holds_that_ended_under_a_long_snapshot_are_not_walked_over_again() {
    let world = metered_world().await;
    past::fill_holds(&world, SOME_HOLDS).await;
    let shop = world.start_api().await;
    let operator = shop.with_token(&world.token(Role::Viewer, None).await);
    world.execute("UPDATE orders SET created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'").await;
    let mut dump = sqlx::PgConnection::connect(&world.database_url).await.unwrap();
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut dump).await.unwrap();
    sqlx::query("SELECT count(*) FROM stock").execute(&mut dump).await.unwrap();

    let mut meter = Meter::new(&world);
    // The mark goes as far as the oldest hold that is left, so the sweep finds all of them.
    move_mark(&world).await;
    // The rows of stock, too, keep their old versions meanwhile.
    let swept = meter
        .measure("a sweep", (SOME_HOLDS, 150), async || sweep_holds(&world.pool, 0).await.unwrap())
        .await;
    assert_eq!(swept as i64, SOME_HOLDS);
    move_mark(&world).await;
    let again = async || sweep_holds(&world.pool, 0).await.unwrap();
    assert_eq!(meter.measure("the next sweep", (1, 10), again).await, 0);
    // Health counts a thousand of the facts that nobody here reads.
    for (path, most) in [("/v1/skus/sku-7", 500), ("/v1/ops/stock/sku-7", 500), ("/v1/ops/health", 3_000)] {
        let answer = meter.measure(path, (1, most), async || operator.get(path).await).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    dump.close().await.unwrap();
    meter.finish().await;
    world.finish().await;
}

const ENDS: [&str; 4] = [
    "UPDATE payments SET status = 'declined', decline_reason = 'rejected'",
    "UPDATE refunds SET status = 'refused', closed_at = now()",
    "UPDATE charges SET status = 'declined', decline_reason = 'rejected'",
    "UPDATE effects SET status = 'done', done_at = now()",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_and_ended_under_a_long_snapshot_is_not_walked_over_again() {
    let world = metered_world().await;
    past::fill_holds(&world, SOME_HOLDS).await;
    past::fill_open(&world).await;
    let shop = world.start_api().await;
    let operator = shop.with_token(&world.token(Role::Viewer, None).await);
    let mut dump = sqlx::PgConnection::connect(&world.database_url).await.unwrap();
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut dump).await.unwrap();
    sqlx::query("SELECT count(*) FROM stock").execute(&mut dump).await.unwrap();
    for end in ENDS {
        world.execute(end).await;
    }

    let mut meter = Meter::new(&world);
    let look = async || {
        let money = sweep::wake_unsettled(&world.pool, &world.publisher, 90, |_| true).await.unwrap();
        money + sweep::wake_effects(&world.pool, &world.publisher, 120, |_| true).await.unwrap()
    };
    let (_, read) = meter.count(async || look().await).await;
    assert!(read > 4 * SOME_HOLDS, "there is something to walk over, and not {read}");
    sweep::move_marks(&world.pool, From::Mark).await;
    let woken = meter.measure("a look for what is forgotten", (1, 50), async || look().await).await;
    assert_eq!(woken, 0);
    let again = async || sweep::move_marks(&world.pool, From::Mark).await;
    meter.measure("the next move of the marks", (1, 50), again).await;
    for (path, most) in [("/v1/ops/money", 100), ("/v1/ops/health", 3_000)] {
        let answer = meter.measure(path, (1, most), async || operator.get(path).await).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    dump.close().await.unwrap();
    meter.finish().await;
    // They are of no items, which the audit would find.
    world.execute("DELETE FROM refunds").await;
    world.finish().await;
}

async fn move_mark(world: &World) {
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(overdue_holds::move_mark(&mut conn).await.unwrap(), "the mark stands still");
}

#[tokio::test]
async fn a_hold_that_somebody_put_before_the_mark_is_released_all_the_same() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 600).await;
    move_mark(&world).await;
    let before =
        "UPDATE orders SET created_at = now() - interval '1 hour', expires_at = now() - interval '4 minutes'";
    world.execute(before).await;
    assert_eq!(sweep_holds(&world.pool, 0).await.unwrap(), 0, "the mark has passed it");

    world.start_workers(Pool::Sweep);
    shop.until(held.text("id"), "expired").await;
    world.finish().await;
}

//! However many dead letters there are, a page looks at few of them. How long that takes is measured by `make bench`.

use holdfast::ops::dead_letters::{self, PAGE_SIZE};
use holdfast::store::dead_letters::filter::DeadLetterFilter;
use holdfast::store::dead_letters::lists::{LetterPosition, SCANNED_AT_ONCE};
use sqlx::PgConnection;

use crate::letters::operator;
use crate::support::world::World;

const LETTERS: i64 = 100_000;
const PART: i64 = 5_000;
/// The planner itself reads the ends of an index where it cannot tell from statistics what lies beyond.
const BY_THE_PLANNER: i64 = 10;
const FILL: &str = include_str!("../../benches/sql/dead_letters.sql");
/// A page, and one more letter that tells whether there is another page.
const PAGE: i64 = PAGE_SIZE as i64 + 1;

#[tokio::test]
async fn a_page_of_a_hundred_thousand_letters_looks_at_few_of_them() {
    let world = World::idle().await;
    world.execute("ALTER TABLE dead_letters SET (autovacuum_enabled = off)").await;
    // It is the pages that are tested: filling may take as long as it does on a slow machine.
    let mut filling = world.pool.begin().await.unwrap();
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *filling).await.unwrap();
    for last in (PART..=LETTERS).step_by(PART as usize) {
        sqlx::query(FILL).bind(last - PART + 1).bind(last).execute(&mut *filling).await.unwrap();
    }
    filling.commit().await.unwrap();
    let deep: String = sqlx::query_scalar(
        "SELECT (extract(epoch FROM last_died_at) * 1000000)::bigint || '-' || id FROM dead_letters
          ORDER BY last_died_at DESC OFFSET 90000 LIMIT 1",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    let order: String = sqlx::query_scalar("SELECT order_id::text FROM dead_letters LIMIT 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    // What no index leads to is looked for in so many letters, and then finds out where the next page begins.
    let scan = 2 * SCANNED_AT_ONCE;
    let lists = [
        ("", "", PAGE),
        ("status=any", "", PAGE),
        ("", &deep, PAGE),
        ("queue=order.refund", "", PAGE),
        ("queue=nothing", "", 0),
        ("queue=order.hold&error_class=panic&message_type=order.hold", "", PAGE),
        ("error_class=panic&message_type=order.hold", "", scan),
        ("error_class=nothing", "", scan),
        ("queue=nothing&status=any", "", scan),
        // Those of the SKU, of the customer and of the order, and no more.
        ("sku=sku-7", "", 100),
        ("customer=c-77", "", 20),
        (&format!("order_id={order}"), "", 1),
        ("from=2020-01-01&to=2020-01-02", "", 0),
        ("text=sku-7", "", scan),
        ("text=nowhere%20at%20all", "", scan),
        ("text=in%20VAIN&status=any", "", scan),
        ("text=nowhere&queue=order.hold", "", scan),
    ];
    let mut wrong = vec![];
    for statistics in [false, true] {
        if statistics {
            world.execute("ANALYZE dead_letters").await;
        }
        for (query, after, most) in lists {
            let read = letters_read(&world, query, after).await;
            if read > most + BY_THE_PLANNER {
                wrong.push(format!("{query}: {read}, not {most}, statistics {statistics}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(letters_read(&world, "error_class=nothing", "").await >= SCANNED_AT_ONCE, "reading is counted");

    let operator = operator(&world).await;
    let groups = operator.get("/v1/ops/dead-letters/groups").await;
    let counts =
        groups.body["groups"].as_array().unwrap().iter().map(|group| group["count"].as_i64().unwrap());
    assert_eq!(counts.sum::<i64>(), LETTERS, "{groups:?}");
    world.finish().await;
}

/// How many letters PostgreSQL reads for a page.
async fn letters_read(world: &World, query: &str, after: &str) -> i64 {
    let filter = DeadLetterFilter::from_query(query).unwrap();
    let after: Option<LetterPosition> = (!after.is_empty()).then(|| after.parse().unwrap());
    let mut tx = world.pool.begin().await.unwrap();
    let before = read_so_far(&mut tx).await;
    dead_letters::list(&mut tx, &filter, after).await.unwrap();
    read_so_far(&mut tx).await - before
}

/// What this connection has read and not reported yet, which it does between transactions only.
async fn read_so_far(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT (seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_xact_user_tables WHERE relname = 'dead_letters'",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

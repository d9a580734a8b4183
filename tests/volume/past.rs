//! A world with a past, made by SQL.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use crate::support::eventually_within;
use crate::support::world::World;

const HOLDS: &str = include_str!("holds.sql");
const OPEN: &str = include_str!("open.sql");
const PAST: &str = include_str!("past.sql");
/// More than are looked through anywhere.
pub const SOME_HOLDS: i64 = 20_000;
/// Statistics are ours to make, and what is filled in need not survive anything.
const PREPARE: &str = "
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT oid::regclass::text FROM pg_class
                     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', name);
        END LOOP;
        FOREACH name IN ARRAY ARRAY['refund_items', 'refunds', 'orders', 'order_items', 'order_events', 'payments',
                                    'ledger_entries', 'stock_movements'] LOOP
            EXECUTE format('ALTER TABLE %s SET UNLOGGED', name);
        END LOOP;
    END $$";
/// Whether all facts are behind the horizon: a transaction of any other test's database keeps it back for as long as it runs.
const ARE_READABLE: &str = "
    SELECT coalesce((SELECT transaction_id FROM order_events ORDER BY transaction_id DESC, id DESC LIMIT 1)
                    < pg_snapshot_xmin(pg_current_snapshot()), true)";
/// Who reads the event log begins behind all that is filled in, which is counted already.
const CURSORS: &str = "
    UPDATE relay_cursors SET from_transaction = horizon, to_transaction = horizon, last_id = 0
      FROM pg_snapshot_xmin(pg_current_snapshot()) AS horizon";

/// Fills in SKUs and holds.
pub async fn fill_holds(world: &World, holds: i64) {
    let mut conn = PgConnection::connect(&world.database_url).await.unwrap();
    run(&mut conn, PREPARE.to_owned()).await;
    run(&mut conn, HOLDS.replace("{holds}", &holds.to_string())).await;
    move_cursors(&mut conn).await;
    conn.close().await.unwrap();
}

/// Fills in a payment, a refund, a charge and a mail for each hold, all of them open for an hour.
pub async fn fill_open(world: &World) {
    let mut conn = PgConnection::connect(&world.database_url).await.unwrap();
    run(&mut conn, OPEN.to_owned()).await;
    conn.close().await.unwrap();
}

/// How many holds there are beside a past of so many orders.
pub fn holds(orders: i64) -> i64 {
    (orders / 100).max(SOME_HOLDS)
}

/// Fills in a past of so many orders beside a hundredth as many holds, or some. The statistics know of the holds only.
pub async fn fill(world: &World, orders: i64) {
    fill_holds(world, holds(orders)).await;
    let mut conn = PgConnection::connect(&world.database_url).await.unwrap();
    run(&mut conn, "ANALYZE".to_owned()).await;
    // What is written here is counted here, not as if a worker of an older version had sold it.
    run(&mut conn, "SET holdfast.counts_units = 'on'".to_owned()).await;
    // A statement at a time, and not in one transaction: ten million orders take some minutes.
    for statement in PAST.replace("{orders}", &orders.to_string()).split(";\n") {
        run(&mut conn, statement.to_owned()).await;
    }
    move_cursors(&mut conn).await;
    conn.close().await.unwrap();
}

async fn move_cursors(conn: &mut PgConnection) {
    eventually_within(Duration::from_secs(120), "the facts are behind the horizon", async || {
        let are_readable: bool = sqlx::query_scalar(ARE_READABLE).fetch_one(&mut *conn).await.unwrap();
        are_readable.then_some(())
    })
    .await;
    run(conn, CURSORS.to_owned()).await;
}

async fn run(conn: &mut PgConnection, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(conn).await.unwrap();
}

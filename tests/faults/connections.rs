//! Slow reads and operators' pages keep nobody's orders waiting: they have connections of their own.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use holdfast::message::Queue;
use holdfast::store::operators::tokens::Role;
use holdfast_workers::pools::Pool;
use sqlx::Connection as _;

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn buyers_are_served_while_slow_reads_and_pages_hold_all_of_their_connections() {
    let world = World::told(&[("HOLDFAST_DATABASE_CONNECTIONS", "8")]).await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let (_api, shop) = Process::api(&world).await;
    let operator = shop.with_token(&world.token(Role::Viewer, None).await);
    shop.stock("mug", 100).await;
    // What is sold is read by a list of the shop's and by a page of the operators', and by nobody who buys.
    let mut locker = sqlx::PgConnection::connect(&world.database_url).await.unwrap();
    let mut lock = locker.begin().await.unwrap();
    sqlx::query("LOCK TABLE sku_sales IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();

    let is_over = AtomicBool::new(false);
    let slow = async |client: &Client, path: &str| {
        while !is_over.load(Ordering::Relaxed) {
            let status = client.get(path).await.status;
            assert!(status == 503 || is_over.load(Ordering::Relaxed), "{path} cannot be answered now");
        }
    };
    let slow_reads = join_all((0..40).map(|_| slow(&shop, "/v1/popular")));
    let pages = join_all((0..40).map(|_| slow(&operator, "/v1/ops/stock/mug")));
    let buying = async {
        let waiting = "SELECT count(DISTINCT application_name) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'
                          AND application_name IN ('holdfast-api reads', 'holdfast-api operators')";
        eventually("both wait", async || (world.count(waiting).await == 2).then_some(())).await;
        for _ in 0..10 {
            assert_eq!(shop.get("/v1/wallet").await.status, 200);
            assert_eq!(shop.place("mug", 1, 600).await.status, 201);
            assert_eq!(shop.get("/readyz").await.status, 200);
        }
        is_over.store(true, Ordering::Relaxed);
        lock.rollback().await.unwrap();
    };
    tokio::join!(slow_reads, pages, buying);
    world.finish().await;
}

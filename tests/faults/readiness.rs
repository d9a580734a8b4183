//! `/readyz`: a flood of questions is not passed on to PostgreSQL, and what it tells is about as old as a second.

use std::time::Duration;

use crate::support::crowd::look_in_vain;
use crate::support::processes::Process;
use crate::support::world::World;
use crate::support::{eventually, eventually_within};

#[tokio::test]
async fn all_who_ask_at_once_whether_a_process_is_ready_share_one_look() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let mut locked = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE _sqlx_migrations").execute(&mut *locked).await.unwrap();
    let looks = look_in_vain(&world, &shop, "/readyz", "_sqlx_migrations").await;
    assert_eq!(looks, 1, "looks at once");
    locked.rollback().await.unwrap();
    eventually("it is ready", async || (shop.get("/readyz").await.status == 200).then_some(())).await;
    world.finish().await;
}

#[tokio::test]
async fn a_process_that_was_ready_tells_soon_that_it_is_not() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    assert_eq!(shop.get("/readyz").await.status, 200);
    world.execute("ALTER TABLE _sqlx_migrations RENAME TO gone").await;
    eventually_within(Duration::from_secs(10), "it is not ready", async || {
        (shop.get("/readyz").await.status == 503).then_some(())
    })
    .await;
    world.execute("ALTER TABLE gone RENAME TO _sqlx_migrations").await;
    eventually_within(Duration::from_secs(10), "it is ready", async || {
        (shop.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn workers_take_nothing_while_the_schema_is_older_than_they_are() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    world.execute("ALTER TABLE _sqlx_migrations RENAME TO kept").await;
    world.execute("CREATE TABLE _sqlx_migrations AS SELECT * FROM kept ORDER BY version DESC OFFSET 1").await;
    let worker = Process::worker(&world, "");
    worker.until_logged("waiting for the database's schema").await;
    let order = shop.place_async("a", "mug", 1, 600).await;
    assert_eq!((order.status, world.consumers("order.hold").await), (202, 0));
    world.execute("DROP TABLE _sqlx_migrations").await;
    world.execute("ALTER TABLE kept RENAME TO _sqlx_migrations").await;
    worker.until_logged("the schema is there").await;
    shop.until(order.text("id"), "held").await;
    world.finish().await;
}

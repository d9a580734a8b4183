//! PostgreSQL killed, read-only, out of connections and frozen: workers pause and resume, no order is lost, no dead
//! letter comes of it, and the API says at once what it can do and what it cannot.

use std::time::{Duration, Instant};

use holdfast::broker::topology::DEFAULT_MAX_LENGTH;
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::buyers::Buyers;
use crate::support::client::{Answer, Client};
use crate::support::processes::{Process, signal};
use crate::support::servers::OwnServers;
use crate::support::world::World;
use crate::support::{MAX_ANSWER, eventually_within};

/// How long the programs may take to find a database that is back.
const RECOVERY: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_and_restarted_under_load_loses_no_order_and_turns_none_away() {
    let test = Test::start("pg-killed").await;
    let buyers = Buyers::start(&test.shop, 4);
    buyers.until_accepted(50).await;

    tokio::task::block_in_place(|| test.own.act("kill", "postgres"));
    buyers.until_accepted(50).await;
    test.expect_unavailable().await;
    tokio::task::block_in_place(|| test.own.act("start", "postgres"));

    test.until_at_work_again().await;
    test.end(buyers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_postgres_makes_workers_pause_and_still_answers_reads() {
    let test = Test::start("pg-read-only").await;
    let buyers = Buyers::start(&test.shop, 4);
    buyers.until_accepted(50).await;

    test.administer("ALTER SYSTEM SET default_transaction_read_only = on").await;
    test.administer("SELECT pg_reload_conf()").await;
    test.worker.until_logged("the database cannot be used, waiting").await;
    buyers.until_accepted(50).await;
    assert_eq!(test.shop.get("/v1/skus/mug").await.status, 200);
    test.expect_charge_unavailable().await;
    test.administer("ALTER SYSTEM RESET default_transaction_read_only").await;
    test.administer("SELECT pg_reload_conf()").await;

    test.until_at_work_again().await;
    test.end(buyers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_without_a_free_connection_makes_workers_pause() {
    let test = Test::start("pg-full").await;
    let buyers = Buyers::start(&test.shop, 4);
    buyers.until_accepted(50).await;

    test.administer("ALTER ROLE app CONNECTION LIMIT 0").await;
    test.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'").await;
    test.worker.until_logged("the database cannot be used, waiting").await;
    buyers.until_accepted(50).await;
    test.expect_unavailable().await;
    test.administer("ALTER ROLE app CONNECTION LIMIT -1").await;

    test.until_at_work_again().await;
    test.end(buyers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_postgres_keeps_no_caller_waiting_for_long() {
    let test = Test::start("pg-frozen").await;
    let buyers = Buyers::start(&test.shop, 2);
    buyers.until_accepted(20).await;

    let frozen = Frozen::new(&test.own);
    buyers.until_accepted(20).await;
    // More callers than the API has connections, and then some who find all of them taken.
    for _ in 0..2 {
        let reads = (0..30).map(|_| {
            let shop = test.shop.clone();
            tokio::spawn(async move { timed(shop.send(shop.request(Method::GET, "/v1/wallet"))).await })
        });
        for read in reads.collect::<Vec<_>>() {
            let (answer, took) = read.await.unwrap();
            assert_eq!(answer.problem(), "database-unavailable");
            assert!(took < MAX_ANSWER, "a caller waited {took:?}");
        }
    }
    test.expect_unavailable().await;
    // Whoever would wait a second for the outcome is not kept much longer than that.
    let (answer, took) = timed(test.place_and_wait("patient", 1)).await;
    assert_eq!(answer.status, 202);
    assert!(took < Duration::from_secs(1) + MAX_ANSWER, "a caller waited {took:?}");
    drop(frozen);

    test.until_at_work_again().await;
    test.end(buyers).await;
}

/// Both programs on a PostgreSQL of the test's own, as a role without privileges beyond its tables.
struct Test {
    own: OwnServers,
    world: World,
    api: Process,
    worker: Process,
    shop: Client,
}

impl Test {
    async fn start(name: &str) -> Self {
        let own = tokio::task::block_in_place(|| OwnServers::postgres(name));
        let mut world = World::on(own.servers(), DEFAULT_MAX_LENGTH).await;
        let superuser = world.database_url.clone();
        let database = superuser.rsplit_once('/').unwrap().1;
        let mut conn = PgConnection::connect(&superuser).await.unwrap();
        // A killed server must not forget what it has confirmed, so that tests may count on it.
        let durable = format!("ALTER DATABASE {database} SET synchronous_commit = on");
        for sql in [
            "CREATE ROLE app LOGIN",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
            &durable,
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        }
        world.database_url = superuser.replace("postgres@", "app@");
        let (api, shop) = Process::api(&world).await;
        let worker = Process::worker(&world, "");
        shop.stock("mug", 100_000).await;
        Self { own, world, api, worker, shop }
    }

    /// Does something as the database's administrator.
    async fn administer(&self, sql: &'static str) {
        let mut admin = PgConnection::connect(&self.own.servers().admin_url).await.unwrap();
        // Not in a transaction block, which a read-only server would make read-only too.
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    }

    /// What needs the database is answered 503 in time; what needs only the broker goes on.
    async fn expect_unavailable(&self) {
        // A token that was not seen within the last minute cannot be known to be good.
        let stranger = self.shop.with_token("never-seen-before");
        let (wallet, sku, orders, unknown, accepted, ()) = tokio::join!(
            timed(self.shop.get("/v1/wallet")),
            timed(self.shop.get("/v1/skus/mug")),
            timed(self.shop.get("/v1/orders")),
            timed(stranger.place_async("key", "mug", 1, 600)),
            timed(self.shop.place_async("meanwhile", "mug", 1, 600)),
            self.expect_charge_unavailable(),
        );
        for (answer, took) in [wallet, sku, orders, unknown] {
            assert_unavailable(&answer, took);
        }
        let (answer, took) = accepted;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(took < MAX_ANSWER, "a caller waited {took:?}");
    }

    async fn expect_charge_unavailable(&self) {
        let (answer, took) = timed(self.shop.charge(1_000)).await;
        assert_unavailable(&answer, took);
    }

    async fn place_and_wait(&self, key: &str, seconds: u32) -> Answer {
        let request = self.shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", key);
        let body = json!({"items": [{"sku": "mug", "quantity": 1}], "hold_seconds": 600});
        self.shop.send(request.header("Prefer", format!("wait={seconds}")).json(&body)).await
    }

    /// Waits until everything works: reading, writing, and an order that a worker decides.
    async fn until_at_work_again(&self) {
        eventually_within(RECOVERY, "the programs find the database again", async || {
            let is_ready = self.shop.get("/readyz").await.status == 200;
            let is_charged = is_ready && self.shop.charge(1_000).await.status == 201;
            (is_charged && self.place_and_wait(&uuid::Uuid::now_v7().to_string(), 5).await.status == 201)
                .then_some(())
        })
        .await;
    }

    /// Ends the load, and checks that nothing is lost, late, broken or set aside.
    async fn end(mut self, buyers: Buyers) {
        assert!(buyers.turned_away().is_empty(), "an order needs no database to be accepted");
        buyers.stop_and_see_all_decided(&self.world).await;
        eventually_within(RECOVERY, "overdue holds are released", async || {
            let overdue = "SELECT count(*) FROM orders WHERE status = 'held' AND expires_at < now()";
            (self.world.count(overdue).await == 0).then_some(())
        })
        .await;
        assert!(!self.api.has_ended() && !self.worker.has_ended());
        self.world.finish().await;
    }
}

fn assert_unavailable(answer: &Answer, took: Duration) {
    assert_eq!((answer.status, answer.problem()), (503, "database-unavailable"), "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"));
    assert!(took < MAX_ANSWER, "a caller waited {took:?}");
}

async fn timed(request: impl Future<Output = Answer>) -> (Answer, Duration) {
    let started = Instant::now();
    (request.await, started.elapsed())
}

/// A PostgreSQL whose processes are stopped, until this is dropped.
struct Frozen(Vec<u32>);

impl Frozen {
    fn new(own: &OwnServers) -> Self {
        let pids = own.pids("postgres");
        pids.iter().for_each(|pid| signal(*pid, "STOP"));
        Self(pids)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.iter().for_each(|pid| signal(*pid, "CONT"));
    }
}

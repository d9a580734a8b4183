//! Servers that fall silent without hanging up: the programs give up on them in time, and find them again.

use std::time::{Duration, Instant};

use crate::buyers::Buyers;
use crate::proxy::{Proxy, address_of, through};
use crate::support::client::Client;
use crate::support::processes::Process;
use crate::support::world::World;
use crate::support::{MAX_ANSWER, eventually, eventually_within};

/// How long the programs may take until everything works again.
const RECOVERY: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_falls_silent_is_answered_503_in_time_and_found_again() {
    let test = Test::start(On::Broker).await;
    let due = 20;
    for number in 0..due {
        let early = test.shop.as_customer(&format!("early-{number}"));
        assert_eq!(early.place_async("key", "mug", 1, 2).await.status, 202);
    }
    eventually("the mugs are held", async || {
        (test.world.count("SELECT count(*) FROM orders").await == due).then_some(())
    })
    .await;
    test.proxy.silence();
    for number in 0..3 {
        let started = Instant::now();
        let answer = test.shop.place_async(&format!("silent-{number}"), "mug", 1, 600).await;
        assert_eq!(answer.problem(), "broker-unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        assert!(started.elapsed() < MAX_ANSWER, "a caller waited {:?}", started.elapsed());
    }
    assert_eq!(test.shop.get("/v1/wallet").await.status, 200, "what needs no broker goes on");
    // The timers cannot come, so the sweeper does it.
    eventually("overdue holds are released", async || {
        let expired = "SELECT count(*) FROM orders WHERE status = 'expired'";
        (test.world.count(expired).await == due).then_some(())
    })
    .await;

    test.proxy.resume();
    for number in 0..3 {
        eventually_within(RECOVERY, "the same order is accepted", async || {
            let answer = test.shop.place_async(&format!("silent-{number}"), "mug", 1, 600).await;
            (answer.status == 202).then_some(())
        })
        .await;
    }
    eventually_within(RECOVERY, "the orders are held", async || {
        (test.world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 3).then_some(())
    })
    .await;
    test.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_connections_that_die_without_a_word_are_opened_again() {
    let test = Test::start(On::Broker).await;
    let buyers = Buyers::start(&test.shop, 3);
    buyers.until_accepted(50).await;
    test.proxy.cut();
    buyers.until_accepted(50).await;
    buyers.stop_and_see_all_decided(&test.world).await;
    test.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database_connections_that_die_without_a_word_are_opened_again() {
    let test = Test::start(On::Database).await;
    let buyers = Buyers::start(&test.shop, 3);
    buyers.until_accepted(50).await;
    test.proxy.cut();
    buyers.until_accepted(50).await;
    buyers.stop_and_see_all_decided(&test.world).await;
    eventually_within(RECOVERY, "everything works again", async || {
        let shop = test.shop.as_customer("last");
        let held = shop.place("mug", 1, 600).await;
        (held.status == 201 && shop.get("/v1/wallet").await.status == 200).then_some(())
    })
    .await;
    test.end().await;
}

/// Which server the proxy stands before.
enum On {
    Broker,
    Database,
}

/// Both programs, and a proxy between them and one server.
struct Test {
    world: World,
    proxy: Proxy,
    api: Process,
    worker: Process,
    shop: Client,
}

impl Test {
    async fn start(on: On) -> Self {
        let mut world = World::idle().await;
        let url = match on {
            On::Broker => &mut world.amqp_url,
            On::Database => &mut world.database_url,
        };
        let proxy = Proxy::to(address_of(url)).await;
        *url = through(url, proxy.address);
        if let On::Broker = on {
            // A lost peer is noticed after two missed heartbeats; a test does not wait for those of a minute.
            world.amqp_url += "?heartbeat=4";
        }
        let (api, shop) = Process::api(&world).await;
        let worker = Process::worker(&world, "");
        shop.stock("mug", 100_000).await;
        Self { world, proxy, api, worker, shop }
    }

    async fn end(mut self) {
        eventually_within(RECOVERY, "overdue holds are released", async || {
            let overdue = "SELECT count(*) FROM orders WHERE status = 'held' AND expires_at < now()";
            (self.world.count(overdue).await == 0).then_some(())
        })
        .await;
        assert!(!self.api.has_ended() && !self.worker.has_ended());
        assert_eq!(self.world.count("SELECT count(*) FROM dead_letters").await, 0);
        self.world.finish().await;
    }
}

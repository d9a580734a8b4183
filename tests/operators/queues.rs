//! What waits in the broker, as operators see it.

use std::time::Instant;

use holdfast::store::operators::tokens::Role;
use holdfast_workers::pools::Pool;
use serde_json::Value;

use crate::face::{holdfast, holdfast_as, operator, somebody};
use crate::support::client::{Answer, Client};
use crate::support::world::World;
use crate::support::{MAX_ANSWER, eventually};

/// Every command queue and its dead letters, the rungs, what cannot be routed, what cannot be read.
const QUEUES: usize = 2 * 11 + 24 + 2 * 11 + 2;

fn queue<'a>(view: &'a Value, name: &str) -> &'a Value {
    let queues = view["queues"].as_array().unwrap();
    queues.iter().find(|queue| queue["name"] == name).unwrap_or_else(|| panic!("no {name} in {view}"))
}

/// Orders that nobody decides.
async fn wait_in_queue(world: &World, shop: &Client, count: usize) {
    for n in 0..count {
        assert_eq!(shop.place_async(&format!("key-{n}"), "mug", 1, 60).await.status, 202);
    }
    eventually("all orders are in their queue", async || {
        (world.depth("order.hold").await as usize == count).then_some(())
    })
    .await;
}

/// What the API tells of queues, once the broker has told it over AMQP. On a busy machine that may be too late for the first
/// answers, which then say so.
async fn by_amqp(viewer: &Client) -> Answer {
    eventually("the broker tells of its queues in time", async || {
        let view = viewer.get("/v1/ops/queues").await;
        assert_eq!(view.status, 200, "{view:?}");
        (view.text("source") == "amqp").then_some(view)
    })
    .await
}

#[tokio::test]
async fn amqp_alone_tells_depths_and_consumers_and_our_own_tables_an_age() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let viewer = somebody(&world, Role::Viewer).await;
    world.start_workers(Pool::Figures);
    eventually("the queue was seen empty", async || {
        let sql = "SELECT count(*) FROM queue_looks WHERE queue = 'order.hold' AND empty_at IS NOT NULL";
        (world.count(sql).await == 1).then_some(())
    })
    .await;
    wait_in_queue(&world, &shop, 3).await;

    let view = by_amqp(&viewer).await;
    assert_eq!(view.body["queues"].as_array().unwrap().len(), QUEUES);
    let hold = queue(&view.body, "order.hold");
    assert_eq!(
        (&hold["ready"], &hold["consumers"], &hold["kind"]),
        (&3.into(), &0.into(), &"command".into())
    );
    assert!(hold["unacknowledged"].is_null() && hold["published_per_second"].is_null(), "{hold}");
    assert_eq!(hold["oldest_is"], "at_most");
    assert!((0..60).contains(&hold["oldest_seconds"].as_i64().unwrap()), "{hold}");
    let rung = queue(&view.body, "delay.1200s");
    assert_eq!((&rung["kind"], &rung["delay_ms"]), (&"delay".into(), &1_200_000.into()));
    assert_eq!(queue(&view.body, "order.hold.dead")["kind"], "dead");

    eventually("the command line tells the same", async || {
        let (code, printed) = holdfast(&world, &["queues", "--json"]).await;
        let printed: Value = printed.parse().ok()?;
        (code == Some(0) && queue(&printed, "order.hold")["ready"] == 3).then_some(())
    })
    .await;
    world.purge("order.hold").await;
    world.finish().await;
}

#[tokio::test]
async fn the_management_api_tells_more_and_its_password_is_told_to_nobody() {
    let mut world = World::idle().await;
    let api = world.servers.rabbitmq_api.clone();
    world.environment.push(("HOLDFAST_RABBITMQ_API".to_owned(), api));
    let shop = world.start_api().await;
    let viewer = somebody(&world, Role::Viewer).await;
    wait_in_queue(&world, &shop, 2).await;

    // The broker counts for this API every five seconds.
    eventually("the management API counts the orders", async || {
        let view = viewer.get("/v1/ops/queues").await;
        assert_eq!((view.status, view.text("source")), (200, "management_api"), "{view:?}");
        assert!(!view.body.to_string().contains("guest"), "{view:?}");
        let hold = queue(&view.body, "order.hold");
        let all_there = hold["ready"] == 2 && hold["unacknowledged"] == 0;
        (all_there && hold["published_per_second"].is_number()).then_some(())
    })
    .await;
    let (code, printed) = holdfast(&world, &["queues"]).await;
    assert!(printed.contains("From RabbitMQ's management API") && !printed.contains("guest"), "{printed}");
    assert_eq!(code, Some(0));
    world.purge("order.hold").await;
    world.finish().await;
}

#[tokio::test]
async fn a_missing_queue_hides_no_other_and_a_silent_server_is_given_up_in_time() {
    let mut world = World::idle().await;
    let url = format!("{}/queues/{}/mail.send", world.servers.rabbitmq_api, world.vhost);
    assert!(reqwest::Client::new().delete(url).send().await.unwrap().status().is_success());
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    world.environment.push(("HOLDFAST_RABBITMQ_API".to_owned(), format!("http://olga:hush@{address}/api")));
    let operator = operator(&world).await;

    let asked = Instant::now();
    let view = operator.get("/v1/ops/queues").await;
    assert!(asked.elapsed() < MAX_ANSWER && view.status == 200, "{:?}: {view:?}", asked.elapsed());
    let view = by_amqp(&operator).await;
    assert!(!view.text("why").contains("hush"), "{view:?}");
    assert_eq!(queue(&view.body, "mail.send")["exists"], false);
    assert_eq!(queue(&view.body, "order.report")["exists"], true);

    let amqp_url = world.amqp_url.clone();
    world.amqp_url = format!("amqp://olga:hush@{address}/%2f");
    let deaf = operator.with_base(&world.start_api().await.base);
    let asked = Instant::now();
    let (code, printed) = holdfast_as(&deaf, &["queues"]).await;
    assert!(code == Some(1) && printed.contains("does not answer") && !printed.contains("hush"), "{printed}");
    assert!(asked.elapsed() < MAX_ANSWER, "{:?}", asked.elapsed());
    world.amqp_url = amqp_url;
    world.finish().await;
}

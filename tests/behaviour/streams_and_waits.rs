//! Those who follow an order and those who wait for an outcome: how many there may be, how they look at the table, and that
//! they go when their token does.

use std::time::Duration;

use holdfast::store::operators::tokens::Role;
use reqwest::{Method, Response};
use tokio::time::{sleep, timeout};

use crate::support::client::Client;
use crate::support::processes::Process;
use crate::support::world::World;
use crate::support::{PATIENCE, eventually};

async fn follow(shop: &Client, order: &str) -> Response {
    shop.request(Method::GET, &format!("/v1/orders/{order}/events")).send().await.unwrap()
}

/// Follows an order where there is no place for that.
async fn follow_in_vain(shop: &Client, order: &str) {
    let request = shop.send(shop.request(Method::GET, &format!("/v1/orders/{order}/events")));
    let answer = timeout(PATIENCE, request).await.expect("there is an answer, and no stream");
    answer.asks_to_wait("too-many-streams");
}

#[tokio::test]
async fn streams_and_waits_have_places_for_each_customer_and_for_all() {
    let world = World::told(&[
        ("HOLDFAST_STREAMS_PER_CUSTOMER", "2"),
        ("HOLDFAST_STREAMS", "3"),
        ("HOLDFAST_WAITS_PER_CUSTOMER", "2"),
        ("HOLDFAST_WAITS", "3"),
        ("HOLDFAST_TOKEN_SHARE_PERCENT", "100"),
    ])
    .await;
    let (_api, shop) = Process::api(&world).await;
    let alice = shop.place_async("key", "mug", 1, 60).await.text("id").to_owned();
    let bob = shop.as_customer("bob");
    let bobs = bob.place_async("key", "mug", 1, 60).await.text("id").to_owned();
    let first = follow(&shop, &alice).await;
    let second = follow(&shop, &alice).await;
    assert_eq!([first.status(), second.status()], [200, 200]);
    follow_in_vain(&shop, &alice).await;
    let third = follow(&bob, &bobs).await;
    assert_eq!(third.status(), 200);
    follow_in_vain(&bob, &bobs).await;
    drop(first);
    eventually("a stream that ended makes room", async || {
        let again = follow(&bob, &bobs).await;
        (again.status() == 200).then_some(())
    })
    .await;

    // No worker decides anything, so who waits waits to the end.
    let patient = |shop: Client, key: &'static str| {
        tokio::spawn(async move { shop.place_waiting(key, "mug", 30).await })
    };
    let waiting = [patient(shop.clone(), "a"), patient(shop.clone(), "b"), patient(bob.clone(), "c")];
    let in_flight = async || {
        let metrics = shop.metrics().await;
        metrics.contains("holdfast_waiting_callers{kind=\"wait\"} 3").then_some(())
    };
    eventually("three callers wait", in_flight).await;
    let depth = world.depth("order.hold").await;
    shop.place_waiting("d", "mug", 1).await.asks_to_wait("too-many-waits");
    bob.place_waiting("d", "mug", 1).await.asks_to_wait("too-many-waits");
    // Nothing was given to the broker, and who does not wait is not told to.
    assert_eq!(world.depth("order.hold").await, depth);
    assert_eq!(shop.place_async("d", "mug", 1, 60).await.status, 202);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    eventually("callers that hung up make room", async || {
        (shop.place_waiting("e", "mug", 1).await.status == 202).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn one_token_has_a_share_of_the_places_whomever_it_names() {
    let world = World::told(&[("HOLDFAST_STREAMS", "4"), ("HOLDFAST_WAITS", "2")]).await;
    let (_api, shop) = Process::api(&world).await;
    let another = shop.with_token(&world.token(Role::Shop, None).await);
    let mut streams = vec![];
    for customer in ["alice", "bob"] {
        let shop = shop.as_customer(customer);
        let order = shop.place_async("key", "mug", 1, 60).await.text("id").to_owned();
        streams.push(follow(&shop, &order).await);
        assert_eq!(streams.last().unwrap().status(), 200);
        let patient = shop.clone();
        tokio::spawn(async move { patient.place_waiting("waits", "mug", 30).await });
    }
    let carol = shop.as_customer("carol");
    let order = carol.place_async("key", "mug", 1, 60).await.text("id").to_owned();
    follow_in_vain(&carol, &order).await;
    assert_eq!(follow(&another.as_customer("carol"), &order).await.status(), 200);
    eventually("one waits and another is told that there is no place", async || {
        (carol.place_waiting("waits", "mug", 1).await.status == 429).then_some(())
    })
    .await;
    assert_eq!(another.place_waiting("waits", "mug", 1).await.status, 202);
    world.finish().await;
}

#[tokio::test]
async fn those_who_follow_one_order_look_at_the_table_together() {
    let world = World::told(&[("HOLDFAST_STREAMS_PER_CUSTOMER", "100")]).await;
    let (_api, shop) = Process::api(&world).await;
    let order = shop.place_async("key", "mug", 1, 60).await.text("id").to_owned();
    let mut streams = vec![];
    for _ in 0..60 {
        let stream = follow(&shop, &order).await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let before = world.transactions().await;
    // Three times the pause between two looks of a quiet stream.
    sleep(Duration::from_secs(6)).await;
    let looks = world.transactions().await - before;
    assert!(looks < 60, "{looks} transactions while 60 streams of one order are quiet");
    drop(streams);
    world.finish().await;
}

#[tokio::test]
async fn a_stream_and_a_wait_end_with_the_token_that_opened_them() {
    let world = World::told(&[("HOLDFAST_TOKEN_REMEMBERED_SECONDS", "2")]).await;
    let (_api, shop) = Process::api(&world).await;
    let order = shop.place_async("key", "mug", 1, 60).await.text("id").to_owned();
    let mut stream = follow(&shop, &order).await;
    assert_eq!(stream.status(), 200);
    let patient = shop.clone();
    let waiting = tokio::spawn(async move { patient.place_waiting("waits", "mug", 30).await });
    // Both outlive the time a token is remembered for, as long as it is good.
    sleep(Duration::from_secs(4)).await;
    assert!(!waiting.is_finished());
    world.execute("UPDATE tokens SET revoked_at = now()").await;
    let rest = async {
        while let Some(chunk) = stream.chunk().await.expect("the stream ends in good order") {
            assert!(!String::from_utf8_lossy(&chunk).contains("order."), "a fact was told");
        }
    };
    tokio::time::timeout(Duration::from_secs(15), rest).await.expect("the stream ends");
    assert_eq!(waiting.await.unwrap().status, 401);
    world.finish().await;
}

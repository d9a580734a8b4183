//! Health at a glance.

use std::time::Duration;

use holdfast::message::Queue;
use holdfast::store::operators::tokens::Role;
use serde_json::{Value, json};

use crate::face::{holdfast, operator, post, somebody};
use crate::support::client::Client;
use crate::support::world::World;
use crate::support::{eventually, eventually_within};

/// Workers report every five seconds, and a busy machine takes its time.
const SOON: Duration = Duration::from_secs(60);

async fn health(client: &Client) -> Value {
    let view = client.get("/v1/ops/health").await;
    assert_eq!(view.status, 200, "{view:?}");
    view.body
}

fn codes(view: &Value) -> Vec<&str> {
    view["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

async fn until_well(client: &Client) {
    let mut last = Value::Null;
    eventually_within(SOON, "all is well", async || {
        last = health(client).await;
        let is_well = last["verdict"] == "well";
        if !is_well {
            eprintln!("not well yet: {}", last["findings"]);
        }
        is_well.then_some(())
    })
    .await;
}

/// The finding of this code.
async fn until_found(client: &Client, code: &str) -> Value {
    eventually_within(SOON, &format!("health names {code}"), async || {
        let view = health(client).await;
        let findings = view["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["code"] == code).cloned()
    })
    .await
}

#[tokio::test]
async fn what_goes_wrong_is_named_and_forgotten_once_it_is_repaired() {
    let (world, shop) = World::running().await;
    let operator = operator(&world).await;
    shop.stock("mug", 10).await;
    until_well(&operator).await;
    eventually("the command line finds it well, too", async || {
        (holdfast(&world, &["health"]).await.0 == Some(0)).then_some(())
    })
    .await;

    // A hold that nothing may release.
    let pause = json!({"reason": "the gateway is down"});
    assert_eq!(post(&operator, "/v1/ops/pools/order.expire/pause", &pause).await.status, 200);
    let held = shop.place("mug", 1, 600).await;
    eventually("the pause is known everywhere", async || {
        (world.consumers("order.expire").await == 0).then_some(())
    })
    .await;
    world
        .execute("UPDATE orders SET created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'")
        .await;
    // The sweeper was here, and knows that nothing was overdue then.
    world.execute("UPDATE hold_mark SET ended_before = '-infinity'").await;
    let overdue = until_found(&operator, "overdue_holds").await;
    assert_eq!(
        (&overdue["verdict"], &overdue["what"]),
        (&"wrong".into(), &"1 hold is overdue, the worst by 60 min".into())
    );
    let paused = until_found(&operator, "paused").await;
    assert!(paused["what"].as_str().unwrap().ends_with("order.expire: the gateway is down"), "{paused}");
    let (code, printed) = holdfast(&world, &["health"]).await;
    assert!(code == Some(1) && printed.contains("1 hold is overdue"), "{printed}");
    assert_eq!(post(&operator, "/v1/ops/pools/order.expire/resume", &json!({})).await.status, 200);
    shop.until(held.text("id"), "expired").await;

    // A payment whose gateway does not say, and a webhook about nothing of ours.
    world
        .execute(
            "INSERT INTO payments (id, order_id, status, amount_won, wallet_won, points_won, card_won, payment_key,
                                   created_at, last_inquiry_at)
             VALUES (gen_random_uuid(), gen_random_uuid(), 'unknown', 1000, 0, 0, 1000, 'key-1',
                     now() - interval '3 minutes', now())",
        )
        .await;
    world
        .execute(
            "INSERT INTO webhooks (provider, event_id, kind, payment_key, signed)
             VALUES ('toss', 'event-1', 'PAYMENT_STATUS_CHANGED', 'key-of-nobody', false),
                    ('toss', 'event-2', 'PAYMENT_STATUS_CHANGED', 'key-1', false)",
        )
        .await;
    // Its mark has passed that instant: no program of ours makes a payment in the past.
    world.execute("UPDATE open_marks SET ended_before = '-infinity', updated_at = clock_timestamp()").await;
    let payment = until_found(&operator, "open_payments").await;
    assert_eq!(payment["what"], "1 payment is unknown, the oldest for 3 min");
    assert_eq!(
        health(&operator).await["unmatched_webhooks"]["count"],
        1,
        "the other one is about a payment of ours"
    );
    until_found(&operator, "unmatched_webhooks").await;

    world.execute("DELETE FROM payments").await;
    world.execute("DELETE FROM webhooks").await;
    world.purge("payment.resolve").await;
    until_well(&operator).await;
    world.finish().await;
}

#[tokio::test]
async fn a_pool_that_nobody_works_is_named_if_it_must_run() {
    let world = World::idle().await;
    let viewer = somebody(&world, Role::Viewer).await;
    let view = health(&viewer).await;
    assert_eq!(view["verdict"], "wrong");
    assert!(codes(&view).contains(&"audit_missing"), "{view}");
    assert_eq!(until_found(&viewer, "no_workers").await["what"], "No workers process is alive");

    world.start_workers_of(&[Queue::OrderHold]);
    let names = eventually_within(SOON, "one process is alive", async || {
        let view = health(&viewer).await;
        let names = view["findings"].as_array().unwrap().iter().map(|finding| finding["what"].to_string());
        let names: Vec<String> = names.collect();
        (!names.iter().any(|name| name.contains("No workers process"))).then_some(names)
    })
    .await;
    let named = |pool: &str| names.iter().any(|name| name.contains(&format!("Nobody works the pool {pool}")));
    for pool in ["order.expire", "payment.confirm", "dead-letters", "sweep", "relay", "feed"] {
        assert!(named(pool), "{pool} is not in {names:?}");
    }
    assert!(!named("order.hold") && !named("mail.send"), "{names:?}");
    world.finish().await;
}

/// Holds of the hour or the day whose lateness is known.
fn holds(view: &Value, when: &str) -> i64 {
    let buckets = view["lateness"]["buckets"].as_array().unwrap();
    buckets.iter().map(|bucket| bucket[when].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn orders_per_minute_and_the_lateness_of_releases_are_counted_once() {
    let (world, shop) = World::running().await;
    let viewer = somebody(&world, Role::Viewer).await;
    shop.stock("mug", 3).await;
    let short = shop.place("mug", 1, 1).await;
    assert_eq!((short.status, shop.place("mug", 2, 600).await.status), (201, 201));
    assert_eq!(shop.place("mug", 1_000, 600).await.status, 409);
    shop.until(short.text("id"), "expired").await;

    let view = eventually_within(SOON, "all facts are counted", async || {
        let view = health(&viewer).await;
        let total = |outcome: &str| {
            let outcomes = view["orders"].as_array().unwrap();
            outcomes.iter().find(|counted| counted["outcome"] == outcome).unwrap()["total"].as_i64().unwrap()
        };
        let counted = (total("held"), total("refused"), total("expired"), total("paid"));
        // Each is read by itself, so one may be ahead of the other.
        (counted == (2, 1, 1, 0) && holds(&view, "hour") > 0).then_some(view.clone())
    })
    .await;
    let buckets = view["lateness"]["buckets"].as_array().unwrap().len();
    assert_eq!((buckets, holds(&view, "hour"), holds(&view, "day")), (10, 1, 1), "{}", view["lateness"]);
    world.finish().await;
}

#[tokio::test]
async fn the_pages_show_it_with_charts_and_let_only_operators_pause() {
    let (world, _) = World::running().await;
    let operator = operator(&world).await;
    let viewer = operator.with_token(&world.token(Role::Viewer, None).await);
    let page = async |client: &Client, path: &str| {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body.as_str().unwrap().to_owned()
    };
    let whole = page(&viewer, "/ops").await;
    let live = page(&viewer, "/ops/health").await;
    assert!(whole.contains("<!doctype html>") && whole.contains("hx-get=\"/ops/health\""), "{whole}");
    for text in [&whole, &live] {
        assert_eq!(text.matches("<svg class=\"chart\"").count(), 7, "{text}");
        assert!(text.contains("holds overdue") && !text.contains("style="), "{text}");
    }
    assert!(!live.contains("<!doctype"));

    assert!(!page(&viewer, "/ops/queues").await.contains("<form class=\"inline\""));
    assert!(page(&operator, "/ops/queues").await.contains("Pause order.expire"));
    eventually("the broker tells of its queues in time", async || {
        page(&viewer, "/ops/queues/live").await.contains("delay.1200s").then_some(())
    })
    .await;
    let form = [("reason", "<script>alert(1)</script>")];
    let path = "/ops/pools/order.report/pause";
    let paused = operator.send(operator.request(reqwest::Method::POST, path).form(&form)).await;
    assert_eq!(paused.status, 200, "it leads to the page: {paused:?}");
    let shown = page(&viewer, "/ops/queues").await;
    assert!(shown.contains("&#60;script&#62;alert(1)") && !shown.contains("<script>alert"), "{shown}");
    let resumed = operator.send(
        operator.request(reqwest::Method::POST, "/ops/pools/order.report/resume").form(&[("reason", "")]),
    );
    assert_eq!(resumed.await.status, 200);
    eventually("nothing is paused", async || {
        (world.count("SELECT count(*) FROM paused_pools").await == 0).then_some(())
    })
    .await;
    world.finish().await;
}

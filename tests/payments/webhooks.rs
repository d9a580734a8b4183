//! Webhooks are hints: stored once, believed never, and followed by a question to the gateway.

use holdfast_workers::pools::Pool;
use serde_json::json;

use crate::stage::Stage;
use crate::support::client::Answer;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

/// More than is taken of strangers in a minute, however that is configured here.
const FLOOD: usize = 200;
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What a gateway tells by itself, as anybody may send it.
async fn tell(stage: &Stage, id: &str, payment_key: &str, order: &str) -> Answer {
    let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-11-21T00:00:00+09:00",
        "data": {"paymentKey": payment_key, "orderId": order, "status": "DONE"}});
    let request = stage.shop.request(reqwest::Method::POST, "/v1/webhooks/toss");
    stage.shop.send(request.header("tosspayments-webhook-transmission-id", id).json(&body)).await
}

#[tokio::test]
async fn the_webhook_of_a_payment_that_nobody_answered_for_brings_it_to_its_end() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage.faults(json!([{"on": "confirm", "kind": "done_then_reset"}])).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    eventually("the webhook is stored", async || {
        (stage.world.count("SELECT count(*) FROM webhooks WHERE payment_id IS NOT NULL").await == 1)
            .then_some(())
    })
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn a_webhook_that_learns_nothing_does_not_end_the_asking() {
    let stage = Stage::without_resolvers().await;
    let (order, key) = stage.held(1, 600).await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    let waiting = async |messages: u32| {
        eventually("messages wait", async || {
            (stage.world.depth("payment.resolve").await == messages).then_some(())
        })
        .await;
    };
    waiting(1).await;
    stage.world.purge("payment.resolve").await;
    // The hint comes first, and the message that must not be lost right behind it.
    assert_eq!(tell(&stage, "one", &key, &order).await.status, 200);
    waiting(1).await;
    holdfast_workers::loops::sweep::wake_unsettled(&stage.world.pool, &stage.world.publisher, 0, |_| true)
        .await
        .unwrap();
    waiting(2).await;
    stage.faults(json!([{"on": "confirm", "kind": "reset_before", "count": 1}])).await;
    let _worker = Process::worker(&stage.world, "payment.resolve=1");
    stage.shop.until(&order, "paid").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_duplicate_is_stored_once_and_pays_once() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    stage.control("PUT", "faults", &json!({"webhooks": [{"kind": "duplicate", "times": 3}]})).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    eventually("the webhook was sent four times", async || {
        let sent = stage.control("GET", "webhooks", &json!(null)).await.to_string();
        (sent.matches("\"status\"").count() > 0).then_some(())
    })
    .await;
    eventually("it is stored", async || {
        (stage.world.count("SELECT count(*) FROM webhooks").await == 1).then_some(())
    })
    .await;
    assert_eq!(stage.balance(&order).await, 1_000);
    stage.finish().await;
}

#[tokio::test]
async fn a_webhook_about_a_stranger_is_stored_as_unmatched() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        assert_eq!(tell(&stage, "one", "nobody", "nobodys-order").await.status, 200);
    }
    assert_eq!(stage.world.count("SELECT count(*) FROM webhooks WHERE payment_id IS NULL").await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn of_webhooks_about_nobody_few_are_taken_a_minute_and_those_that_name_something_of_ours_all_the_same()
{
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    let mut taken = 0;
    let refused = loop {
        let answer = tell(&stage, &format!("flood-{taken}"), &format!("key-{taken}"), "nobodys-order").await;
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < FLOOD, "strangers have rows stored without a limit");
    };
    assert_eq!((refused.status, refused.problem()), (429, "too-many-webhooks"));
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    let strangers = "SELECT count(*) FROM webhooks WHERE event_id LIKE 'flood-%'";
    assert_eq!(stage.world.count(strangers).await, taken as i64);

    assert_eq!(tell(&stage, "flood-0", "key-0", "nobodys-order").await.status, 200, "it was stored before");
    let (early, _) = stage.held(1, 600).await;
    assert_eq!(tell(&stage, "early", "a-key-that-nobody-has-brought", &early).await.status, 200);
    assert_eq!(tell(&stage, "known", &key, "nobodys-order").await.status, 200);
    let charge = stage.shop.post("/v1/wallet/charges", &json!({"amount_won": 5_000, "method": "card"})).await;
    assert_eq!(tell(&stage, "charge", "another-key", charge.text("id")).await.status, 200);
    let ours = "SELECT count(*) FROM webhooks WHERE event_id IN ('early', 'known', 'charge')";
    assert_eq!(stage.world.count(ours).await, 3);

    // A gateway sends again what was not taken, and then there is room.
    stage.world.execute("UPDATE webhooks SET received_at = received_at - interval '2 minutes'").await;
    let again = tell(&stage, &format!("flood-{taken}"), &format!("key-{taken}"), "nobodys-order").await;
    assert_eq!(again.status, 200);
    assert_eq!(stage.world.count(strangers).await, taken as i64 + 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_payment_and_an_order_keep_so_many_webhooks_and_a_gateway_is_asked_all_the_same() {
    let stage = Stage::without_resolvers().await;
    let (order, key) = stage.held(1, 600).await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    eventually("the payment is asked for", async || {
        (stage.world.count("SELECT count(*) FROM payments").await == 1).then_some(())
    })
    .await;
    eventually("its message waits", async || (stage.world.depth("payment.resolve").await == 1).then_some(()))
        .await;
    stage
        .world
        .execute(
            "INSERT INTO webhooks (provider, event_id, kind, payment_key, signed, payment_id)
             SELECT 'toss', 'past-' || n, 'PAYMENT_STATUS_CHANGED', payment_key, false, payments.id
               FROM payments, generate_series(1, 300) AS n",
        )
        .await;
    let rows = "SELECT count(*) FROM webhooks";
    assert_eq!(tell(&stage, "one-more", &key, &order).await.status, 200);
    assert_eq!(stage.world.count(rows).await, 300, "no row is added to so many");
    eventually("its hint waits, too", async || {
        (stage.world.depth("payment.resolve").await == 2).then_some(())
    })
    .await;

    let (early, _) = stage.held(1, 600).await;
    sqlx::query(
        "INSERT INTO webhooks (provider, event_id, kind, payment_key, gateway_order_id, signed)
         SELECT 'toss', 'early-' || n, 'PAYMENT_STATUS_CHANGED', 'key-' || n, $1, false FROM generate_series(1, 300) AS n",
    )
    .bind(&early)
    .execute(&stage.world.pool)
    .await
    .unwrap();
    let early = tell(&stage, "early", "one-more-key", &early).await;
    assert_eq!(early.status, 429, "who hears 200 does not send it again: {early:?}");
    assert_eq!(stage.world.count(rows).await, 600);
    let _worker = Process::worker(&stage.world, "payment.resolve=1");
    stage.shop.until(&order, "paid").await;
    stage.finish().await;
}

#[tokio::test]
async fn webhooks_about_no_payment_are_removed_after_days_and_sessions_when_they_are_over() {
    let world = World::idle().await;
    // More than one statement removes.
    world
        .execute(
            "INSERT INTO webhooks (provider, event_id, kind, payment_key, signed, payment_id, charge_id, received_at)
             SELECT 'toss', kind || n, 'PAYMENT_STATUS_CHANGED', 'key-' || n, false,
                    CASE kind WHEN 'paid' THEN gen_random_uuid() END, CASE kind WHEN 'charged' THEN gen_random_uuid() END,
                    now() - days * interval '1 day'
               FROM (VALUES ('stray', 8), ('young', 6), ('paid', 400), ('charged', 400)) AS kinds (kind, days),
                    generate_series(1, 2500) AS n",
        )
        .await;
    world
        .execute(
            "WITH token AS (
                 INSERT INTO tokens (id, name, role, token_hash)
                 VALUES (gen_random_uuid(), 'olga', 'operator', 'hash') RETURNING id)
             INSERT INTO sessions (secret_hash, token_id, created_at, expires_at)
             SELECT sha256(n::text::bytea), id, now() - interval '13 hours',
                    now() + CASE WHEN n > 2500 THEN interval '1 hour' ELSE interval '-1 hour' END
               FROM token, generate_series(1, 2501) AS n",
        )
        .await;
    world.start_workers(Pool::Sweep);
    eventually("what is old is gone", async || {
        let strays = world.count("SELECT count(*) FROM webhooks WHERE event_id LIKE 'stray%'").await;
        let over = world.count("SELECT count(*) FROM sessions WHERE expires_at < now()").await;
        ((strays, over) == (0, 0)).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM webhooks").await, 3 * 2_500, "the rest of the story stays");
    assert_eq!(world.count("SELECT count(*) FROM sessions").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn where_webhooks_are_signed_a_forged_or_stale_one_is_refused_and_nothing_is_stored() {
    let stage = Stage::with_secrets(&[SECRET]).await;
    let send = async |id: &str, timestamp: i64, signature: &str| {
        let request = stage.shop.request(reqwest::Method::POST, "/v1/webhooks/toss");
        let request = request.header("webhook-id", id).header("webhook-timestamp", timestamp.to_string());
        let request = request.header("webhook-signature", signature);
        stage.shop.send(request.json(&json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": {}}))).await
    };
    let now = holdfast::clock::now().timestamp();
    assert_eq!(send("a", now, "v1,AAAA").await.status, 401);
    assert_eq!(send("b", now - 600, "v1,AAAA").await.problem(), "not-signed");
    assert_eq!(stage.world.count("SELECT count(*) FROM webhooks").await, 0);
    stage.finish().await;
}

#[tokio::test]
async fn a_signed_webhook_is_taken_and_stored_as_signed() {
    let stage = Stage::with_secrets(&[SECRET]).await;
    let signed = json!({"webhook_format": "standard", "webhook_secrets": [SECRET]});
    stage.control("PUT", "settings", &signed).await;
    let (order, key) = stage.held(1, 600).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    eventually("it is stored", async || {
        (stage.world.count("SELECT count(*) FROM webhooks WHERE signed").await == 1).then_some(())
    })
    .await;
    stage.finish().await;
}

#[tokio::test]
async fn an_unknown_provider_is_not_found() {
    let stage = Stage::new().await;
    assert_eq!(stage.shop.post("/v1/webhooks/somebody", &json!({})).await.status, 404);
    stage.finish().await;
}

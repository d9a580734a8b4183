//! The guard before a gateway: it opens, recovers, and keeps to its number of calls.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use holdfast::gateway::breaker::BreakerRules;
use holdfast::gateway::guard::{GuardRules, Guarded};
use holdfast::gateway::port::{ConfirmAnswer, FindAnswer, Gateway as _, Why};
use holdfast::gateway::toss::Toss;
use serde_json::{Value, json};

use crate::stage::{Stage, adapter, hasty, shared, until, why_of};

fn guarded(toss: Toss, concurrency: usize, patience: Duration) -> Guarded {
    let breaker = BreakerRules { rest: Duration::from_millis(300), ..BreakerRules::default() };
    Guarded::new(shared(toss), GuardRules { concurrency, patience, breaker })
}

async fn calls(stage: &Stage, operation: &str) -> u64 {
    stage.control("GET", "books", &Value::Null).await["calls"][operation].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn a_gateway_that_fails_is_left_alone_and_asked_again_when_it_recovers() {
    let stage = Stage::new().await;
    let gateway = guarded(adapter(&stage.simulator.url(), "test_sk_simulator"), 4, Duration::from_secs(5));
    let paid = stage.paid(1_000).await;
    stage.fault(json!({"on": "find", "kind": "error"})).await;
    for _ in 0..10 {
        assert!(matches!(gateway.find(&paid.payment).await, FindAnswer::Unknown { why: Why::Code { .. } }));
    }
    assert!(gateway.is_open());
    // The first call after the rest is a trial that fails, and it rests again.
    until("a call is kept back", async || {
        let answer = gateway.find(&paid.payment).await;
        matches!(answer, FindAnswer::Unknown { why: Why::Resting })
    })
    .await;
    let before = calls(&stage, "find").await;
    stage.no_faults().await;
    until("the gateway is asked again", async || {
        matches!(gateway.find(&paid.payment).await, FindAnswer::Found(_))
    })
    .await;
    assert!(!gateway.is_open());
    assert!(calls(&stage, "find").await - before <= 2, "a call that is kept back reaches nobody");
}

#[tokio::test]
async fn declines_do_not_open_the_breaker() {
    let stage = Stage::new().await;
    let gateway = guarded(adapter(&stage.simulator.url(), "test_sk_simulator"), 4, Duration::from_secs(5));
    stage.fault(json!({"on": "confirm", "kind": "decline"})).await;
    for _ in 0..30 {
        let ask = stage.payment(1_000).await;
        assert!(matches!(gateway.confirm(&ask).await, ConfirmAnswer::Declined { .. }));
    }
    assert!(!gateway.is_open());
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_for_their_turn() {
    let stage = Stage::new().await;
    let gateway = guarded(adapter(&stage.simulator.url(), "test_sk_simulator"), 2, Duration::from_secs(10));
    let paid = stage.paid(1_000).await;
    stage.control("PUT", "settings", &json!({"latency_ms": 50})).await;
    let began = Instant::now();
    let answers = join_all((0..20).map(|_| gateway.find(&paid.payment))).await;
    assert!(answers.iter().all(|answer| matches!(answer, FindAnswer::Found(_))));
    assert!(began.elapsed() >= Duration::from_millis(500), "twenty calls of 50 ms, two at a time");
}

#[tokio::test]
async fn a_call_that_waits_too_long_for_its_turn_reaches_nobody() {
    let stage = Stage::new().await;
    let gateway = guarded(hasty(&stage.simulator.url()), 1, Duration::from_millis(50));
    let (first, second) = (stage.payment(1_000).await, stage.payment(1_000).await);
    stage.fault(json!({"on": "confirm", "kind": "hang", "paymentKey": first.payment})).await;
    // The join polls in order, so the first has its turn before the second asks.
    let (first_answer, second_answer) = tokio::join!(gateway.confirm(&first), gateway.confirm(&second));
    assert_eq!(why_of(first_answer), Why::TimedOut);
    assert_eq!(why_of(second_answer), Why::Busy);
    assert_eq!(calls(&stage, "confirm").await, 1);
}

//! Repetitions: one key, one effect.

use futures_util::future::join_all;
use holdfast::domain::gateway::CallKey;
use holdfast::domain::money::Won;
use holdfast::gateway::port::{CancelAnswer, Confirm, ConfirmAnswer, Gateway as _, Why};
use serde_json::json;

use crate::stage::{FAR_LATER, Stage, refund, why_of};

#[tokio::test]
async fn a_confirm_repeated_after_a_lost_answer_is_approved_and_takes_the_money_once() {
    let stage = Stage::new().await;
    for kind in ["done_then_reset", "reset_before"] {
        let ask = stage.payment(1_000).await;
        stage.fault(json!({"on": "confirm", "kind": kind, "count": 1})).await;
        assert_eq!(why_of(stage.toss.confirm(&ask).await), Why::Broken);
        assert!(matches!(stage.toss.confirm(&ask).await, ConfirmAnswer::Approved(_)), "{kind}");
        assert_eq!(stage.booked(&ask.payment).await["captures"], 1);
    }
}

#[tokio::test]
async fn a_cancel_repeated_after_a_lost_answer_gives_back_once() {
    let stage = Stage::new().await;
    let paid = stage.paid(10_000).await;
    stage.fault(json!({"on": "cancel", "kind": "error", "done": true, "count": 2})).await;
    let ask = refund(&paid, Some(4_000));
    for _ in 0..2 {
        assert!(matches!(stage.toss.cancel(&ask).await, CancelAnswer::Unknown { .. }));
    }
    let CancelAnswer::Cancelled { cancel, .. } = stage.toss.cancel(&ask).await else {
        panic!("not cancelled")
    };
    assert_eq!(cancel.amount, Won(4_000));
    assert_eq!(stage.booked(&paid.payment).await["cancelled"], 4_000);
}

#[tokio::test]
async fn a_repetition_while_the_first_call_is_on_its_way_is_unknown() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "late", "ms": FAR_LATER, "count": 1})).await;
    assert_eq!(why_of(stage.hasty.confirm(&ask).await), Why::TimedOut);
    stage.until_captured(&ask, 1).await;
    let second = stage.toss.confirm(&ask).await;
    assert_eq!(why_of(second), Why::Code { status: 409, code: "IDEMPOTENT_REQUEST_PROCESSING".to_owned() });
}

#[tokio::test]
async fn a_hundred_confirms_at_once_take_the_money_once() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    let answers = join_all((0..100).map(|_| stage.toss.confirm(&ask))).await;
    assert!(answers.iter().any(|answer| matches!(answer, ConfirmAnswer::Approved(_))));
    assert!(!answers.iter().any(|answer| matches!(answer, ConfirmAnswer::Declined { .. })));
    assert_eq!(stage.booked(&ask.payment).await["captures"], 1);
}

#[tokio::test]
async fn a_key_used_for_two_payments_is_seen_by_the_answer_and_never_approved() {
    let stage = Stage::new().await;
    let (first, second) = (stage.payment(1_000).await, stage.payment(1_000).await);
    assert!(matches!(stage.toss.confirm(&first).await, ConfirmAnswer::Approved(_)));
    let mixed_up = Confirm { call_key: first.call_key.clone(), ..second.clone() };
    assert_eq!(why_of(stage.toss.confirm(&mixed_up).await), Why::Mismatch { field: "payment" });
    assert_eq!(stage.booked(&second.payment).await["captures"], 0);
}

#[tokio::test]
async fn an_error_that_the_gateway_remembers_stays_unknown_under_its_key() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "error", "remembered": true, "count": 1})).await;
    for _ in 0..2 {
        assert!(matches!(why_of(stage.toss.confirm(&ask).await), Why::Code { status: 500, .. }));
    }
    assert_eq!(stage.booked(&ask.payment).await["captures"], 0);
}

#[tokio::test]
async fn the_longest_key_is_taken() {
    let stage = Stage::new().await;
    let ask = Confirm { call_key: CallKey::parse("k".repeat(300)).unwrap(), ..stage.payment(1_000).await };
    assert!(matches!(stage.toss.confirm(&ask).await, ConfirmAnswer::Approved(_)));
}

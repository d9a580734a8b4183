//! Cancel: money back, in parts or as a whole.

use holdfast::domain::gateway::{GatewayStatus, Standing};
use holdfast::domain::money::Won;
use holdfast::gateway::port::{Cancel, CancelAnswer, Gateway as _, Why};
use serde_json::{Value, json};

use crate::stage::{FAR_LATER, Stage, refund, until};

fn why_of(answer: CancelAnswer) -> Why {
    match answer {
        CancelAnswer::Unknown { why } => why,
        other => panic!("settled: {other:?}"),
    }
}

async fn refused(stage: &Stage, ask: &Cancel) -> String {
    match stage.toss.cancel(ask).await {
        CancelAnswer::Refused { code, .. } => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_payment_is_cancelled_in_parts_until_nothing_is_left() {
    let stage = Stage::new().await;
    let paid = stage.paid(10_000).await;
    for (amount, left, status) in [
        (Some(3_000), 7_000, GatewayStatus::PartlyCancelled),
        (Some(2_000), 5_000, GatewayStatus::PartlyCancelled),
        (None, 0, GatewayStatus::Cancelled),
    ] {
        let answer = stage.toss.cancel(&refund(&paid, amount)).await;
        let CancelAnswer::Cancelled { payment, cancel } = answer else { panic!("{answer:?}") };
        assert_eq!((payment.balance, payment.status), (Won(left), status));
        assert_eq!((cancel.amount.0, cancel.reason.as_str()), (amount.unwrap_or(5_000), "refund-1"));
    }
    let found = stage.found(&paid.payment).await;
    assert_eq!(found.cancels.len(), 3);
    assert_eq!(found.standing(&paid.order, paid.amount), Standing::Captured { returned: Won(10_000) });
    assert_eq!(stage.booked(&paid.payment).await["balance"], 0);
}

#[tokio::test]
async fn a_cancel_that_cannot_be_is_refused_and_gives_nothing_back() {
    let stage = Stage::new().await;
    let paid = stage.paid(10_000).await;
    assert_eq!(refused(&stage, &refund(&paid, Some(10_001))).await, "NOT_CANCELABLE_AMOUNT");
    let unpaid = stage.payment(10_000).await;
    assert_eq!(refused(&stage, &refund(&unpaid, None)).await, "NOT_CANCELABLE_PAYMENT");
    assert_eq!(stage.booked(&paid.payment).await["cancelled"], 0);
}

#[tokio::test]
async fn a_second_whole_cancel_is_unknown_because_the_first_may_be_the_one_asked_for() {
    let stage = Stage::new().await;
    let paid = stage.paid(10_000).await;
    assert!(matches!(stage.toss.cancel(&refund(&paid, None)).await, CancelAnswer::Cancelled { .. }));
    let why = why_of(stage.toss.cancel(&refund(&paid, None)).await);
    assert!(matches!(why, Why::Code { code, .. } if code == "ALREADY_CANCELED_PAYMENT"));
}

/// Every fault, what it is taken for, and how much of 4,000 won went back all the same.
fn faults() -> Vec<(Value, Why, i64)> {
    let code = |status, code: &str| Why::Code { status, code: code.to_owned() };
    let failed = "FAILED_INTERNAL_SYSTEM_PROCESSING";
    vec![
        (json!({"kind": "late", "ms": FAR_LATER}), Why::TimedOut, 4_000),
        (json!({"kind": "hang"}), Why::TimedOut, 0),
        (json!({"kind": "hang", "done": true}), Why::TimedOut, 4_000),
        (json!({"kind": "reset_before"}), Why::Broken, 0),
        (json!({"kind": "done_then_reset"}), Why::Broken, 4_000),
        (json!({"kind": "error"}), code(500, failed), 0),
        (json!({"kind": "error", "done": true}), code(500, failed), 4_000),
        (json!({"kind": "error", "code": "FAILED_REFUND_PROCESS"}), code(500, "FAILED_REFUND_PROCESS"), 0),
        (json!({"kind": "error", "status": 400, "code": "PROVIDER_ERROR"}), code(400, "PROVIDER_ERROR"), 0),
        (json!({"kind": "wrong_amount", "amount": 3_999}), Why::Mismatch { field: "amount" }, 4_000),
        (json!({"kind": "body", "status": 200, "text": "OK"}), Why::Unreadable { status: 200 }, 0),
    ]
}

#[tokio::test]
async fn a_cancel_that_fails_in_any_way_is_unknown_and_the_inquiry_tells() {
    let stage = Stage::new().await;
    for (mut fault, why, returned) in faults() {
        let paid = stage.paid(10_000).await;
        fault["on"] = json!("cancel");
        stage.fault(fault.clone()).await;
        let toss = if why == Why::TimedOut { &stage.hasty } else { &stage.toss };
        assert_eq!(why_of(toss.cancel(&refund(&paid, Some(4_000))).await), why, "{fault}");
        until("the inquiry tells what went back", async || {
            let standing = stage.found(&paid.payment).await.standing(&paid.order, paid.amount);
            standing == Standing::Captured { returned: Won(returned) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_cancel_is_found_again_by_its_reason() {
    let stage = Stage::new().await;
    let paid = stage.paid(10_000).await;
    stage.fault(json!({"on": "cancel", "kind": "done_then_reset"})).await;
    let mut ask = refund(&paid, Some(1_000));
    ask.reason = format!("refund-{}", "x".repeat(300));
    assert_eq!(why_of(stage.toss.cancel(&ask).await), Why::Broken);
    let found = stage.found(&paid.payment).await;
    let kept = &found.cancels[0].reason;
    assert!(kept.len() == 200 && ask.reason.starts_with(kept.as_str()));
}

#[tokio::test]
async fn a_code_of_the_table_refuses_a_cancel() {
    let stage = Stage::new().await;
    let paid = stage.paid(10_000).await;
    stage
        .fault(json!({"on": "cancel", "kind": "error", "status": 403, "code": "EXCEED_MAX_REFUND_DUE"}))
        .await;
    assert_eq!(refused(&stage, &refund(&paid, None)).await, "EXCEED_MAX_REFUND_DUE");
}

//! Find: found, not found, or not said.

use holdfast::domain::gateway::{GatewayOrderId, PaymentKey, Standing};
use holdfast::gateway::port::{FindAnswer, Gateway as _, Why};
use serde_json::{Value, json};

use crate::stage::{FAR_LATER, Stage};

fn why_of(answer: FindAnswer) -> Why {
    match answer {
        FindAnswer::Unknown { why } => why,
        other => panic!("settled: {other:?}"),
    }
}

#[tokio::test]
async fn a_payment_is_found_by_its_key_and_by_its_order() {
    let stage = Stage::new().await;
    let ask = stage.paid(5_000).await;
    let by_key = stage.found(&ask.payment).await;
    assert_eq!(FindAnswer::Found(by_key), stage.toss.find_by_order(&ask.order).await);
}

#[tokio::test]
async fn a_payment_that_is_not_there_is_not_found() {
    let stage = Stage::new().await;
    let nothing = PaymentKey::parse("nothing").unwrap();
    assert_eq!(stage.toss.find(&nothing).await, FindAnswer::NotFound);
    let nothing = GatewayOrderId::parse("nothing").unwrap();
    assert_eq!(stage.toss.find_by_order(&nothing).await, FindAnswer::NotFound);
}

#[tokio::test]
async fn a_payment_of_another_order_is_told_apart() {
    let stage = Stage::new().await;
    let (mine, other) = (stage.paid(5_000).await, stage.paid(5_000).await);
    let standing = stage.found(&mine.payment).await.standing(&other.order, other.amount);
    assert_eq!(standing, Standing::Differs { field: "order" });
}

#[tokio::test]
async fn an_inquiry_that_fails_in_any_way_is_unknown_and_never_not_found() {
    let stage = Stage::new().await;
    let ask = stage.paid(5_000).await;
    let code = |status, code: &str| Why::Code { status, code: code.to_owned() };
    let faults: Vec<(Value, Why)> = vec![
        (json!({"kind": "late", "ms": FAR_LATER}), Why::TimedOut),
        (json!({"kind": "slow", "ms": FAR_LATER}), Why::TimedOut),
        (json!({"kind": "hang"}), Why::TimedOut),
        (json!({"kind": "reset_before"}), Why::Broken),
        (json!({"kind": "done_then_reset"}), Why::Broken),
        (json!({"kind": "error"}), code(500, "FAILED_INTERNAL_SYSTEM_PROCESSING")),
        (json!({"kind": "error", "done": true}), code(500, "FAILED_INTERNAL_SYSTEM_PROCESSING")),
        (json!({"kind": "error", "status": 400, "code": "PROVIDER_ERROR"}), code(400, "PROVIDER_ERROR")),
        (json!({"kind": "decline"}), code(400, "REJECT_CARD_PAYMENT")),
        (
            json!({"kind": "body", "status": 404, "text": "<h1>Not Found</h1>"}),
            Why::Unreadable { status: 404 },
        ),
        (json!({"kind": "body", "status": 200, "text": "[]"}), Why::Unreadable { status: 200 }),
    ];
    for (mut fault, why) in faults {
        fault["on"] = json!("find");
        stage.fault(fault.clone()).await;
        let toss = if why == Why::TimedOut { &stage.hasty } else { &stage.toss };
        assert_eq!(why_of(toss.find(&ask.payment).await), why, "{fault}");
        assert_eq!(why_of(toss.find_by_order(&ask.order).await), why, "{fault}");
    }
}

#[tokio::test]
async fn an_inquiry_that_tells_another_amount_or_order_stands_for_nothing() {
    let stage = Stage::new().await;
    let ask = stage.paid(5_000).await;
    stage.fault(json!({"on": "find", "kind": "wrong_amount", "amount": 1})).await;
    let standing = stage.found(&ask.payment).await.standing(&ask.order, ask.amount);
    assert_eq!(standing, Standing::Differs { field: "amount" });
    stage.fault(json!({"on": "find", "kind": "wrong_order", "another": "another-order"})).await;
    let standing = stage.found(&ask.payment).await.standing(&ask.order, ask.amount);
    assert_eq!(standing, Standing::Differs { field: "order" });
    assert_eq!(why_of(stage.toss.find_by_order(&ask.order).await), Why::Mismatch { field: "order" });
}

#[tokio::test]
async fn a_slow_inquiry_that_is_in_time_is_found() {
    let stage = Stage::new().await;
    let ask = stage.paid(5_000).await;
    stage.fault(json!({"on": "find", "kind": "late", "ms": 200})).await;
    stage.found(&ask.payment).await;
}

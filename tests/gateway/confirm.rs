//! Confirm: what is approved, what is declined, and everything else.

use holdfast::domain::gateway::{GatewayStatus, PaymentKey, Standing};
use holdfast::domain::money::Won;
use holdfast::gateway::port::{ConfirmAnswer, Gateway as _, Why};
use serde_json::json;

use crate::stage::{FAR_LATER, Stage, adapter, anew, until, why_of};

#[tokio::test]
async fn a_confirmed_payment_is_approved_and_in_the_books() {
    let stage = Stage::new().await;
    let ask = stage.payment(12_000).await;
    let ConfirmAnswer::Approved(payment) = stage.toss.confirm(&ask).await else { panic!("not approved") };
    assert_eq!(
        (payment.status, payment.total, payment.balance),
        (GatewayStatus::Done, Won(12_000), Won(12_000))
    );
    assert!(payment.approved_at.is_some() && payment.last_transaction.is_some());
    let booked = stage.booked(&ask.payment).await;
    assert_eq!((&booked["captures"], &booked["captured"]), (&json!(1), &json!(12_000)));
}

#[tokio::test]
async fn a_declined_payment_is_definite_and_takes_nothing() {
    let stage = Stage::new().await;
    for code in [
        "REJECT_CARD_PAYMENT",
        "REJECT_CARD_COMPANY",
        "INVALID_STOPPED_CARD",
        "EXCEED_MAX_DAILY_PAYMENT_COUNT",
    ] {
        let ask = stage.payment(1_000).await;
        stage.fault(json!({"on": "confirm", "kind": "decline", "code": code})).await;
        let answer = stage.toss.confirm(&ask).await;
        assert!(
            matches!(&answer, ConfirmAnswer::Declined { code: given, .. } if given == code),
            "{answer:?}"
        );
        assert_eq!(stage.booked(&ask.payment).await["captures"], 0);
        assert_eq!(stage.found(&ask.payment).await.standing(&ask.order, ask.amount), Standing::NotTaken);
    }
}

#[tokio::test]
async fn a_limit_of_the_gateway_itself_is_a_decline() {
    let stage = Stage::new().await;
    let ask = stage.payment(99).await;
    let answer = stage.toss.confirm(&ask).await;
    assert!(
        matches!(&answer, ConfirmAnswer::Declined { code, .. } if code == "BELOW_MINIMUM_AMOUNT"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn codes_that_settle_nothing_are_unknown_whatever_their_status() {
    let stage = Stage::new().await;
    for (status, code) in [
        (400, "PROVIDER_ERROR"),
        (400, "ALREADY_PROCESSED_PAYMENT"),
        (400, "CARD_PROCESSING_ERROR"),
        (404, "NOT_FOUND_PAYMENT"),
        (404, "NOT_FOUND_PAYMENT_SESSION"),
        (409, "IDEMPOTENT_REQUEST_PROCESSING"),
        (500, "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING"),
        (500, "UNKNOWN_PAYMENT_ERROR"),
        (402, "A_CODE_OF_NEXT_YEAR"),
    ] {
        let ask = stage.payment(1_000).await;
        stage.fault(json!({"on": "confirm", "kind": "error", "status": status, "code": code})).await;
        let why = why_of(stage.toss.confirm(&ask).await);
        assert_eq!(why, Why::Code { status, code: code.to_owned() });
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown_though_the_money_is_taken() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "late", "ms": FAR_LATER})).await;
    assert_eq!(why_of(stage.hasty.confirm(&ask).await), Why::TimedOut);
    stage.until_captured(&ask, 1).await;
    let standing = stage.found(&ask.payment).await.standing(&ask.order, ask.amount);
    assert_eq!(standing, Standing::Captured { returned: Won(0) });
}

#[tokio::test]
async fn a_payment_may_be_pending_now_and_captured_a_moment_later() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "slow", "ms": 4_000})).await;
    assert_eq!(why_of(stage.hasty.confirm(&ask).await), Why::TimedOut);
    assert_eq!(stage.found(&ask.payment).await.standing(&ask.order, ask.amount), Standing::Pending);
    until("the slow confirm is done", async || stage.found(&ask.payment).await.status == GatewayStatus::Done)
        .await;
}

#[tokio::test]
async fn an_answer_that_is_late_but_in_time_is_approved() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "late", "ms": 200})).await;
    assert!(matches!(stage.toss.confirm(&ask).await, ConfirmAnswer::Approved(_)));
}

#[tokio::test]
async fn a_gateway_that_hangs_is_given_up_in_time() {
    let stage = Stage::new().await;
    for done in [false, true] {
        let ask = stage.payment(1_000).await;
        stage.fault(json!({"on": "confirm", "kind": "hang", "done": done})).await;
        assert_eq!(why_of(stage.hasty.confirm(&ask).await), Why::TimedOut);
        stage.until_captured(&ask, u64::from(done)).await;
    }
}

#[tokio::test]
async fn a_reset_connection_is_unknown_whether_the_money_was_taken_or_not() {
    let stage = Stage::new().await;
    for (kind, captures) in [("reset_before", 0), ("done_then_reset", 1)] {
        let ask = stage.payment(1_000).await;
        stage.fault(json!({"on": "confirm", "kind": kind, "count": 1})).await;
        let why = why_of(stage.toss.confirm(&ask).await);
        assert_eq!(why, Why::Broken);
        assert!(why.can_have_arrived() && why.is_outage());
        assert_eq!(stage.booked(&ask.payment).await["captures"], captures);
    }
}

#[tokio::test]
async fn a_server_error_is_unknown_whether_the_money_was_taken_or_not() {
    let stage = Stage::new().await;
    for done in [false, true] {
        let ask = stage.payment(1_000).await;
        stage.fault(json!({"on": "confirm", "kind": "error", "done": done})).await;
        let why = why_of(stage.toss.confirm(&ask).await);
        assert_eq!(why, Why::Code { status: 500, code: "FAILED_INTERNAL_SYSTEM_PROCESSING".to_owned() });
        assert!(why.is_outage());
        assert_eq!(stage.booked(&ask.payment).await["captures"], i32::from(done));
    }
}

#[tokio::test]
async fn an_answer_about_another_amount_or_order_is_never_approved() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "wrong_amount", "amount": 999})).await;
    assert_eq!(why_of(stage.toss.confirm(&ask).await), Why::Mismatch { field: "amount" });
    let ask = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "wrong_order", "another": "another-order"})).await;
    assert_eq!(why_of(stage.toss.confirm(&ask).await), Why::Mismatch { field: "order" });
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_unknown() {
    let stage = Stage::new().await;
    for (status, text) in
        [(200, "<html>maintenance</html>"), (502, "bad gateway"), (200, "{}"), (200, ""), (404, "")]
    {
        let ask = stage.payment(1_000).await;
        stage.fault(json!({"on": "confirm", "kind": "body", "status": status, "text": text})).await;
        assert_eq!(why_of(stage.toss.confirm(&ask).await), Why::Unreadable { status });
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    let text = "x".repeat(1024 * 1024);
    stage.fault(json!({"on": "confirm", "kind": "body", "status": 200, "text": text})).await;
    assert_eq!(why_of(stage.toss.confirm(&ask).await), Why::Unreadable { status: 200 });
}

#[tokio::test]
async fn a_confirm_of_another_amount_than_the_buyer_agreed_to_takes_nothing() {
    let stage = Stage::new().await;
    let mut ask = stage.payment(1_000).await;
    ask.amount = Won(2_000);
    assert!(matches!(why_of(stage.toss.confirm(&ask).await), Why::Code { status: 403, .. }));
    assert_eq!(stage.booked(&ask.payment).await["captures"], 0);
}

#[tokio::test]
async fn a_payment_key_that_does_not_exist_is_unknown() {
    let stage = Stage::new().await;
    let mut ask = stage.payment(1_000).await;
    ask.payment = PaymentKey::parse("forged").unwrap();
    assert!(
        matches!(why_of(stage.toss.confirm(&ask).await), Why::Code { code, .. } if code == "NOT_FOUND_PAYMENT")
    );
}

#[tokio::test]
async fn after_ten_minutes_a_payment_can_no_longer_be_confirmed() {
    let stage = Stage::new().await;
    let (in_time, too_late) = (stage.payment(1_000).await, stage.payment(1_000).await);
    stage.control("POST", "clock", &json!({"advance_seconds": 590})).await;
    assert!(matches!(stage.toss.confirm(&in_time).await, ConfirmAnswer::Approved(_)));
    stage.control("POST", "clock", &json!({"advance_seconds": 11})).await;
    let why = why_of(stage.toss.confirm(&too_late).await);
    assert!(matches!(why, Why::Code { code, .. } if code == "NOT_FOUND_PAYMENT_SESSION"));
    let found = stage.found(&too_late.payment).await;
    assert_eq!(found.standing(&too_late.order, too_late.amount), Standing::NotTaken);
}

#[tokio::test]
async fn a_second_confirm_under_another_key_is_unknown_and_takes_nothing_more() {
    let stage = Stage::new().await;
    let ask = stage.paid(1_000).await;
    let why = why_of(stage.toss.confirm(&anew(&ask)).await);
    assert!(matches!(why, Why::Code { code, .. } if code == "ALREADY_PROCESSED_PAYMENT"));
    assert_eq!(stage.booked(&ask.payment).await["captures"], 1);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_has_not_seen_the_call() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    let url = stage.simulator.url();
    drop(stage);
    let toss = adapter(&url, "test_sk_simulator");
    until("the port is closed", async || {
        let why = why_of(toss.confirm(&ask).await);
        why == Why::Unreachable && !why.can_have_arrived()
    })
    .await;
}

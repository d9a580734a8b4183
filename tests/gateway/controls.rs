//! The simulator's controls: faults hit what they are meant for, and the books add up.

use holdfast::gateway::port::{ConfirmAnswer, Gateway as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stage::{FAR_LATER, Stage, refund};

#[tokio::test]
async fn a_fault_hits_its_payment_or_order_and_no_other() {
    let stage = Stage::new().await;
    let (hit, spared) = (stage.payment(1_000).await, stage.payment(1_000).await);
    for name in [json!({"paymentKey": hit.payment}), json!({"orderId": hit.order})] {
        let mut fault = json!({"on": "confirm", "kind": "error", "count": 1});
        fault.as_object_mut().unwrap().extend(name.as_object().unwrap().clone());
        stage.fault(fault).await;
        assert!(matches!(stage.toss.confirm(&spared).await, ConfirmAnswer::Approved(_)));
        assert!(matches!(stage.toss.confirm(&hit).await, ConfirmAnswer::Unknown { .. }));
    }
    assert!(matches!(stage.toss.confirm(&hit).await, ConfirmAnswer::Approved(_)), "the count is used up");
}

#[tokio::test]
async fn faults_are_listed_with_what_is_left_of_them_and_can_be_added() {
    let stage = Stage::new().await;
    stage.fault(json!({"on": "confirm", "kind": "hang", "paymentKey": "nobody"})).await;
    let more = json!({"calls": [{"on": "find", "kind": "error", "count": 2}]});
    stage.control("POST", "faults", &more).await;
    let paid = stage.paid(1_000).await;
    stage.toss.find(&paid.payment).await;
    let listed = stage.control("GET", "faults", &Value::Null).await;
    assert_eq!(listed["calls"][0]["kind"], "hang");
    assert_eq!((&listed["calls"][1]["kind"], &listed["calls"][1]["count"]), (&json!("error"), &json!(1)));
    stage.no_faults().await;
    assert_eq!(stage.control("GET", "faults", &Value::Null).await, json!({"calls": [], "webhooks": []}));
}

#[tokio::test]
async fn a_fault_of_no_probability_never_strikes() {
    let stage = Stage::new().await;
    stage.fault(json!({"kind": "reset_before", "probability": 0.0})).await;
    for _ in 0..20 {
        stage.paid(1_000).await;
    }
}

#[tokio::test]
async fn the_books_add_up() {
    let stage = Stage::new().await;
    let (first, _second, _unpaid) =
        (stage.paid(1_000).await, stage.paid(2_000).await, stage.payment(4_000).await);
    stage.toss.cancel(&refund(&first, Some(300))).await;
    let books = stage.control("GET", "books", &Value::Null).await;
    assert_eq!(
        books["totals"],
        json!({"payments": 3, "captured": 3_000, "cancelled": 300, "balance": 2_700})
    );
    assert_eq!(books["calls"], json!({"confirm": 2, "cancel": 1}));
}

#[tokio::test]
async fn latency_is_set_while_it_runs() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    stage.control("PUT", "settings", &json!({"latency_ms": FAR_LATER})).await;
    assert!(matches!(stage.hasty.confirm(&ask).await, ConfirmAnswer::Unknown { .. }));
    stage.control("PUT", "settings", &json!({"latency_ms": 0})).await;
    stage.paid(1_000).await;
}

#[tokio::test]
async fn a_reset_is_one_on_the_socket() {
    let stage = Stage::new().await;
    for kind in ["reset_before", "done_then_reset"] {
        stage.fault(json!({"kind": kind})).await;
        let mut socket = TcpStream::connect(stage.simulator.address()).await.unwrap();
        // "test_sk_simulator:" in base64.
        let request = "GET /v1/payments/any HTTP/1.1\r\nHost: x\r\n\
                       Authorization: Basic dGVzdF9za19zaW11bGF0b3I6\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let error = socket.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{kind}");
    }
}

/// A confirm by hand; its status and code.
async fn confirm_by_hand(stage: &Stage, credentials: Option<&str>, key: &str) -> (u16, String) {
    let url = format!("{}/v1/payments/confirm", stage.simulator.url());
    let body = json!({"paymentKey": "nothing", "orderId": "nothing", "amount": 1_000});
    let mut request = reqwest::Client::new().post(url).header("idempotency-key", key).json(&body);
    if let Some(credentials) = credentials {
        request = request.header("authorization", format!("Basic {credentials}"));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_simulator_asks_for_the_key_and_for_a_short_idempotency_key() {
    let stage = Stage::new().await;
    let right = "dGVzdF9za19zaW11bGF0b3I6";
    let unauthorized = (401, "UNAUTHORIZED_KEY".to_owned());
    assert_eq!(confirm_by_hand(&stage, None, "k").await, unauthorized);
    assert_eq!(confirm_by_hand(&stage, Some("d3Jvbmc6"), "k").await, unauthorized);
    let without_colon = confirm_by_hand(&stage, Some("dGVzdF9za19zaW11bGF0b3I="), "k").await;
    assert_eq!(without_colon, (403, "INCORRECT_BASIC_AUTH_FORMAT".to_owned()));
    let long = "k".repeat(301);
    assert_eq!(
        confirm_by_hand(&stage, Some(right), &long).await,
        (400, "INVALID_IDEMPOTENCY_KEY".to_owned())
    );
    assert_eq!(confirm_by_hand(&stage, Some(right), "k").await, (404, "NOT_FOUND_PAYMENT".to_owned()));
}

//! Webhooks from the simulator to the adapter's verification: signed, forged, late, repeated, out of order.

use std::time::Duration;

use chrono::TimeDelta;
use holdfast::clock;
use holdfast::gateway::port::Gateway as _;
use holdfast::gateway::toss::Toss;
use holdfast::peers::secret::Secret;
use holdfast::peers::webhook::{WebhookError, WebhookSecrets};
use holdfast_simulator::{Settings, WebhookFormat};
use serde_json::{Value, json};

use crate::receiver::{Received, Receiver};
use crate::stage::{Stage, adapter_with, refund};

const OLD: &str = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZCE=";
const NEW: &str = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldyE=";
const OTHER: &str = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXIhISE=";

async fn signing(secrets: &[&str]) -> (Stage, Receiver) {
    let receiver = Receiver::start().await;
    let stage = Stage::with(Settings {
        webhook_url: Some(receiver.url.clone()),
        webhook_format: WebhookFormat::Standard,
        webhook_secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
        webhook_retry_ms: 20,
        ..Settings::default()
    })
    .await;
    (stage, receiver)
}

async fn plain() -> (Stage, Receiver) {
    let receiver = Receiver::start().await;
    let url = Some(receiver.url.clone());
    let settings = Settings { webhook_url: url, webhook_retry_ms: 20, ..Settings::default() };
    (Stage::with(settings).await, receiver)
}

/// An adapter that knows these secrets.
fn knowing(secrets: &[&str]) -> Toss {
    let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::from((*secret).to_owned())).collect();
    adapter_with(
        "http://127.0.0.1:1",
        "key",
        Duration::from_secs(1),
        WebhookSecrets::parse(&secrets).unwrap(),
    )
}

async fn webhook_fault(stage: &Stage, fault: Value) {
    stage.control("PUT", "faults", &json!({"webhooks": [fault]})).await;
}

fn id(received: &Received) -> String {
    received.header("tosspayments-webhook-transmission-id").to_owned()
}

#[tokio::test]
async fn a_signed_webhook_is_read_and_names_the_payment() {
    let (stage, receiver) = signing(&[OLD]).await;
    let paid = stage.paid(1_000).await;
    let received = receiver.wait_for(1).await.remove(0);
    let event = knowing(&[OLD]).verify_webhook(&received.headers, &received.body, clock::now()).unwrap();
    assert_eq!((event.kind.as_str(), event.signed), ("PAYMENT_STATUS_CHANGED", true));
    assert_eq!((event.payment, event.order), (Some(paid.payment), Some(paid.order)));
    assert_eq!(event.id, id(&received));
}

#[tokio::test]
async fn while_secrets_rotate_either_receiver_takes_it() {
    let (stage, receiver) = signing(&[OLD, NEW]).await;
    stage.paid(1_000).await;
    let received = receiver.wait_for(1).await.remove(0);
    let verify = |secrets: &[&str]| {
        knowing(secrets)
            .verify_webhook(&received.headers, &received.body, clock::now())
            .map(|event| event.signed)
    };
    for secrets in [&[OLD] as &[&str], &[NEW], &[OLD, NEW], &[OTHER, NEW]] {
        assert_eq!(verify(secrets), Ok(true), "{secrets:?}");
    }
    assert_eq!(verify(&[OTHER]), Err(WebhookError::Forged));
}

#[tokio::test]
async fn forged_stale_and_unsigned_webhooks_are_not_taken() {
    let (stage, receiver) = signing(&[OLD]).await;
    stage.paid(1_000).await;
    let received = receiver.wait_for(1).await.remove(0);
    let (toss, now) = (knowing(&[OLD]), clock::now());
    let mut forged = received.body.clone();
    forged.push(b' ');
    assert_eq!(toss.verify_webhook(&received.headers, &forged, now), Err(WebhookError::Forged));
    let days_later = now + TimeDelta::days(3);
    assert_eq!(toss.verify_webhook(&received.headers, &received.body, days_later), Err(WebhookError::Stale));
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut headers = received.headers.clone();
        headers.remove(name);
        assert_eq!(toss.verify_webhook(&headers, &received.body, now), Err(WebhookError::Header(name)));
    }
}

#[tokio::test]
async fn without_secrets_an_unsigned_webhook_is_taken_as_a_hint() {
    let (stage, receiver) = plain().await;
    let paid = stage.paid(1_000).await;
    let mut received = receiver.wait_for(1).await.remove(0);
    let event = stage.toss.verify_webhook(&received.headers, &received.body, clock::now()).unwrap();
    assert_eq!((event.payment, event.signed), (Some(paid.payment), false));
    assert_eq!(received.header("tosspayments-webhook-transmission-retried-count"), "0");
    received.body = b"not json".to_vec();
    let malformed = stage.toss.verify_webhook(&received.headers, &received.body, clock::now());
    assert_eq!(malformed, Err(WebhookError::Malformed));
}

#[tokio::test]
async fn a_webhook_that_names_nothing_we_know_is_still_an_event() {
    let (stage, receiver) = plain().await;
    stage.paid(1_000).await;
    let received = receiver.wait_for(1).await.remove(0);
    let body = br#"{"eventType":"DEPOSIT_CALLBACK","orderId":"../../etc","data":{"paymentKey":"a/b"}}"#;
    let event = stage.toss.verify_webhook(&received.headers, body, clock::now()).unwrap();
    assert_eq!((event.kind.as_str(), event.payment, event.order), ("DEPOSIT_CALLBACK", None, None));
}

#[tokio::test]
async fn a_webhook_is_repeated_under_its_id_until_it_is_answered_with_200() {
    let (stage, receiver) = signing(&[OLD]).await;
    receiver.answer_next(&[500, 202, 200]);
    stage.paid(1_000).await;
    let received = receiver.wait_for(3).await;
    assert!(received.iter().all(|one| id(one) == id(&received[0]) && one.body == received[0].body));
    let retried = received.iter().map(|one| one.header("tosspayments-webhook-transmission-retried-count"));
    assert_eq!(retried.collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[tokio::test]
async fn every_change_is_told_and_an_expired_payment_too() {
    let (stage, receiver) = plain().await;
    let paid = stage.paid(1_000).await;
    receiver.wait_for(1).await;
    stage.toss.cancel(&refund(&paid, Some(400))).await;
    receiver.wait_for(2).await;
    stage.toss.cancel(&refund(&paid, None)).await;
    receiver.wait_for(3).await;
    stage.payment(1_000).await;
    stage.control("POST", "clock", &json!({"advance_seconds": 601})).await;
    receiver.wait_for(4).await;
    let declined = stage.payment(1_000).await;
    stage.fault(json!({"on": "confirm", "kind": "decline"})).await;
    stage.toss.confirm(&declined).await;
    let told: Vec<String> = receiver.wait_for(5).await.iter().map(Received::status).collect();
    assert_eq!(told, ["DONE", "PARTIAL_CANCELED", "CANCELED", "EXPIRED", "ABORTED"]);
}

#[tokio::test]
async fn webhooks_come_twice_late_lost_or_not_at_all_on_request() {
    let (stage, receiver) = plain().await;
    webhook_fault(&stage, json!({"kind": "duplicate", "times": 3})).await;
    stage.paid(1_000).await;
    let received = receiver.wait_for(3).await;
    assert!(received.iter().all(|one| id(one) == id(&received[0])));
    webhook_fault(&stage, json!({"kind": "dropped"})).await;
    stage.paid(1_000).await;
    let received = receiver.wait_for(4).await;
    assert_eq!(received[3].header("tosspayments-webhook-transmission-retried-count"), "1");
    webhook_fault(&stage, json!({"kind": "delayed", "ms": 100})).await;
    stage.paid(1_000).await;
    assert_eq!(receiver.wait_for(5).await.len(), 5);
    webhook_fault(&stage, json!({"kind": "never"})).await;
    stage.paid(1_000).await;
    stage.no_faults().await;
    let last = stage.paid(1_000).await;
    let received = receiver.wait_for(6).await;
    assert!(String::from_utf8_lossy(&received[5].body).contains(last.payment.as_str()));
}

#[tokio::test]
async fn a_reordered_webhook_is_overtaken_by_the_next() {
    let (stage, receiver) = plain().await;
    webhook_fault(&stage, json!({"kind": "reordered", "count": 1})).await;
    let paid = stage.paid(1_000).await;
    stage.toss.cancel(&refund(&paid, None)).await;
    let told: Vec<String> = receiver.wait_for(2).await.iter().map(Received::status).collect();
    assert_eq!(told, ["CANCELED", "DONE"]);
}

#[tokio::test]
async fn an_old_webhook_sent_again_says_what_it_said_then() {
    let (stage, receiver) = signing(&[OLD]).await;
    let paid = stage.paid(1_000).await;
    receiver.wait_for(1).await;
    stage.toss.cancel(&refund(&paid, None)).await;
    let first = receiver.wait_for(2).await.remove(0);
    stage.control("POST", &format!("webhooks/{}/resend", id(&first)), &Value::Null).await;
    let again = receiver.wait_for(3).await.remove(2);
    assert_eq!((again.status(), id(&again)), ("DONE".to_owned(), id(&first)));
    assert!(knowing(&[OLD]).verify_webhook(&again.headers, &again.body, clock::now()).is_ok());
}

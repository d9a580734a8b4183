//! The secret key reaches the gateway and nobody else.

use std::time::Duration;

use holdfast::gateway::port::{Gateway as _, Why};
use holdfast::gateway::toss::TossSettings;
use holdfast::peers::secret::Secret;
use holdfast::peers::webhook::WebhookSecrets;

use crate::stage::{Stage, adapter, why_of};

#[tokio::test]
async fn a_wrong_key_is_no_decline_and_is_not_told() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    let answer = adapter(&stage.simulator.url(), "live_sk_hush").confirm(&ask).await;
    assert!(!format!("{answer:?}").contains("hush"));
    let why = why_of(answer);
    assert!(!why.to_string().contains("hush"));
    assert_eq!(why, Why::Code { status: 401, code: "UNAUTHORIZED_KEY".to_owned() });
}

#[tokio::test]
async fn settings_can_be_printed_without_telling_a_secret() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let settings = TossSettings {
        url: "http://127.0.0.1:1".to_owned(),
        secret_key: Secret::from("live_sk_hush".to_owned()),
        timeout: Duration::from_secs(1),
        webhook_secrets: WebhookSecrets::parse(&[Secret::from(secret.to_owned())]).unwrap(),
    };
    let printed = format!("{settings:?} {settings:#?}");
    assert!(printed.contains("[redacted]"));
    assert!(!printed.contains("hush") && !printed.contains("MfKQ"));
}

#[tokio::test]
async fn an_encrypted_address_is_never_spoken_to_in_the_clear() {
    let stage = Stage::new().await;
    let ask = stage.payment(1_000).await;
    let encrypted = stage.simulator.url().replace("http://", "https://");
    assert_eq!(why_of(adapter(&encrypted, "test_sk_simulator").confirm(&ask).await), Why::Unreachable);
}

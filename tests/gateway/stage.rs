//! A simulator and an adapter that talks to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::domain::gateway::{CallKey, GatewayOrderId, GatewayPayment, PaymentKey};
use holdfast::domain::money::Won;
use holdfast::gateway::port::{Cancel, Confirm, ConfirmAnswer, FindAnswer, Gateway, Why};
use holdfast::gateway::toss::{Toss, TossSettings};
use holdfast::peers::secret::Secret;
use holdfast::peers::webhook::WebhookSecrets;
use holdfast_simulator::{Settings, Simulator};
use serde_json::{Value, json};
use uuid::Uuid;

/// Longer than a busy machine takes for any answer.
const PATIENT: Duration = Duration::from_secs(20);
/// For answers that do not come.
const HASTY: Duration = Duration::from_millis(300);
/// Later than any test waits, in milliseconds.
pub const FAR_LATER: u64 = 600_000;

pub struct Stage {
    pub simulator: Simulator,
    pub toss: Toss,
    /// The same gateway through an adapter that soon gives up.
    pub hasty: Toss,
    http: reqwest::Client,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let key = settings.secret_key.clone();
        let simulator = Simulator::start(settings).await.unwrap();
        let toss = adapter(&simulator.url(), &key);
        let hasty = hasty(&simulator.url());
        Self { simulator, toss, hasty, http: reqwest::Client::new() }
    }

    /// A payment that the buyer has authenticated, and what we ask for it.
    pub async fn payment(&self, amount: i64) -> Confirm {
        let order = GatewayOrderId::from(Uuid::now_v7());
        let created = self.control("POST", "payments", &json!({"orderId": order, "amount": amount})).await;
        Confirm {
            payment: PaymentKey::parse(created["paymentKey"].as_str().unwrap()).unwrap(),
            order,
            amount: Won(amount),
            call_key: CallKey::from(Uuid::now_v7()),
        }
    }

    /// A payment whose money was taken.
    pub async fn paid(&self, amount: i64) -> Confirm {
        let ask = self.payment(amount).await;
        let answer = self.toss.confirm(&ask).await;
        assert!(matches!(answer, ConfirmAnswer::Approved(_)), "{answer:?}");
        ask
    }

    /// A control call; the body of its answer.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/control/{path}", self.simulator.url());
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.http.request(method, url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: {:?}", answer.status(), answer.text().await);
        let text = answer.text().await.unwrap();
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// The only fault of calls from now on.
    pub async fn fault(&self, fault: Value) {
        self.control("PUT", "faults", &json!({"calls": [fault]})).await;
    }

    pub async fn no_faults(&self) {
        self.control("DELETE", "faults", &Value::Null).await;
    }

    /// The simulator's books of one payment.
    pub async fn booked(&self, payment: &PaymentKey) -> Value {
        let books = self.control("GET", "books", &Value::Null).await;
        let payments = books["payments"].as_array().unwrap();
        payments.iter().find(|booked| booked["paymentKey"] == json!(payment)).cloned().unwrap()
    }

    /// Waits until the simulator has taken the money of a payment so many times.
    pub async fn until_captured(&self, ask: &Confirm, captures: u64) {
        until("the captures are in the books", async || {
            self.booked(&ask.payment).await["captures"] == captures
        })
        .await;
    }

    pub async fn found(&self, payment: &PaymentKey) -> GatewayPayment {
        match self.toss.find(payment).await {
            FindAnswer::Found(payment) => payment,
            other => panic!("not found: {other:?}"),
        }
    }
}

pub fn adapter(url: &str, secret_key: &str) -> Toss {
    adapter_with(url, secret_key, PATIENT, WebhookSecrets::default())
}

pub fn adapter_with(url: &str, secret_key: &str, timeout: Duration, webhook_secrets: WebhookSecrets) -> Toss {
    let secret_key = Secret::from(secret_key.to_owned());
    Toss::new(&TossSettings { url: url.to_owned(), secret_key, timeout, webhook_secrets }).unwrap()
}

/// An adapter that soon gives up.
pub fn hasty(url: &str) -> Toss {
    adapter_with(url, &Settings::default().secret_key, HASTY, WebhookSecrets::default())
}

/// The same confirm under another key.
pub fn anew(ask: &Confirm) -> Confirm {
    Confirm { call_key: CallKey::from(Uuid::now_v7()), ..ask.clone() }
}

/// A refund of `amount`, or of all that is left.
pub fn refund(ask: &Confirm, amount: Option<i64>) -> Cancel {
    Cancel {
        payment: ask.payment.clone(),
        amount: amount.map(Won),
        reason: "refund-1".to_owned(),
        call_key: CallKey::from(Uuid::now_v7()),
    }
}

/// Why a confirm is unknown.
pub fn why_of(answer: ConfirmAnswer) -> Why {
    match answer {
        ConfirmAnswer::Unknown { why } => why,
        other => panic!("settled: {other:?}"),
    }
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A gateway as callers hold it.
pub fn shared(gateway: impl Gateway + 'static) -> Arc<dyn Gateway> {
    Arc::new(gateway)
}

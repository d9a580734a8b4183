//! Webhooks: told after each change, repeated with growing delays until they are answered with 200.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, written, written_plainly};
use crate::faults::WebhookFault;
use crate::payment::Payment;
use crate::settings::{Settings, WebhookFormat};
use crate::sign;

/// Repetitions of a webhook nobody takes.
const REPETITIONS: u32 = 7;
/// A receiver must answer within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Webhooks that can be looked at and sent again.
const REMEMBERED: usize = 10_000;
/// A webhook to be overtaken waits this long for another one.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(10);

/// All webhooks of a simulator.
pub(crate) struct Webhooks {
    target: Mutex<Target>,
    sent: Arc<Mutex<VecDeque<Record>>>,
    /// Rings after each sending, for those that wait to be overtaken.
    passed: Arc<Notify>,
    client: Client,
    stop: CancellationToken,
}

/// Where webhooks go and how.
#[derive(Clone)]
struct Target {
    url: Option<Url>,
    format: WebhookFormat,
    secrets: Vec<Vec<u8>>,
    retry: Duration,
}

/// One webhook and what became of it.
#[derive(Clone)]
struct Record {
    id: String,
    payment_key: String,
    status: Value,
    body: String,
    /// What each sending was answered; 0 stands for none.
    answers: Vec<u16>,
    fault: Option<WebhookFault>,
}

fn secrets(texts: &[String]) -> anyhow::Result<Vec<Vec<u8>>> {
    // An empty variable is how a compose file says "not set".
    texts.iter().filter(|text| !text.is_empty()).map(|text| sign::parse_secret(text)).collect()
}

fn url(text: &str) -> anyhow::Result<Option<Url>> {
    if text.is_empty() { Ok(None) } else { Ok(Some(Url::parse(text).context("the webhook URL is none")?)) }
}

impl Webhooks {
    pub(crate) fn new(settings: &Settings, stop: CancellationToken) -> anyhow::Result<Self> {
        let target = Target {
            url: url(settings.webhook_url.as_deref().unwrap_or_default())?,
            format: settings.webhook_format,
            secrets: secrets(&settings.webhook_secrets)?,
            retry: Duration::from_millis(settings.webhook_retry_ms),
        };
        let client = Client::builder().timeout(PATIENCE).build().context("cannot make an HTTP client")?;
        let (sent, passed) = (Arc::default(), Arc::default());
        Ok(Self { target: Mutex::new(target), sent, passed, client, stop })
    }

    fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().expect("no panic while locked")
    }

    pub(crate) fn are_sent(&self) -> bool {
        self.target().url.is_some()
    }

    pub(crate) fn change(
        &self,
        new_url: Option<String>,
        format: Option<WebhookFormat>,
        new_secrets: Option<Vec<String>>,
        retry_ms: Option<u64>,
    ) -> anyhow::Result<()> {
        let new_url = new_url.map(|text| url(&text)).transpose()?;
        let new_secrets = new_secrets.map(|texts| secrets(&texts)).transpose()?;
        let mut target = self.target();
        target.url = new_url.unwrap_or_else(|| target.url.clone());
        target.format = format.unwrap_or(target.format);
        if let Some(new_secrets) = new_secrets {
            target.secrets = new_secrets;
        }
        target.retry = retry_ms.map_or(target.retry, Duration::from_millis);
        Ok(())
    }

    /// Tells a change, now or as the fault wants it.
    pub(crate) fn send(
        &self,
        payment: &Payment,
        shown: Value,
        now: DateTime<Utc>,
        fault: Option<WebhookFault>,
    ) {
        let status = shown["status"].clone();
        let event = json!({
            "eventType": "PAYMENT_STATUS_CHANGED",
            "createdAt": written_plainly(now),
            "data": shown,
        });
        let record = Record {
            id: format!("whtrans_{:032x}", fastrand::u128(..)),
            payment_key: payment.key.clone(),
            status,
            body: event.to_string(),
            answers: Vec::new(),
            fault,
        };
        {
            let mut sent = self.sent.lock().expect("no panic while locked");
            if sent.len() == REMEMBERED {
                sent.pop_front();
            }
            sent.push_back(record.clone());
        }
        self.deliver(record);
    }

    /// Sends one of the past again as it was; whether there is such a one.
    pub(crate) fn resend(&self, id: &str) -> bool {
        let found = {
            let sent = self.sent.lock().expect("no panic while locked");
            sent.iter().find(|record| record.id == id).cloned()
        };
        let Some(record) = found else { return false };
        self.deliver(Record { fault: None, ..record });
        true
    }

    fn deliver(&self, record: Record) {
        let delivery = Delivery {
            target: self.target().clone(),
            client: self.client.clone(),
            sent: self.sent.clone(),
            passed: self.passed.clone(),
            record,
        };
        let stop = self.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(delivery.run()).await });
    }

    /// The webhooks of the past, the oldest first.
    pub(crate) fn shown(&self) -> Value {
        let sent = self.sent.lock().expect("no panic while locked");
        let shown = |record: &Record| {
            json!({
                "id": record.id,
                "paymentKey": record.payment_key,
                "status": record.status,
                "body": record.body,
                "answers": record.answers,
                "fault": record.fault,
            })
        };
        json!({"webhooks": sent.iter().map(shown).collect::<Vec<_>>()})
    }
}

/// One webhook on its way.
struct Delivery {
    target: Target,
    client: Client,
    sent: Arc<Mutex<VecDeque<Record>>>,
    passed: Arc<Notify>,
    record: Record,
}

impl Delivery {
    async fn run(self) {
        let (mut lost, mut copies) = (0, 1);
        match &self.record.fault {
            Some(WebhookFault::Never) => return,
            Some(WebhookFault::Dropped { times }) => lost = *times,
            Some(WebhookFault::Duplicate { times }) => copies = *times,
            Some(WebhookFault::Delayed { ms }) => sleep(Duration::from_millis(*ms)).await,
            Some(WebhookFault::Reordered) => {
                let _ = timeout(OVERTAKEN_WITHIN, self.passed.notified()).await;
            }
            None => {}
        }
        let mut delay = self.target.retry;
        for retried in 0..=REPETITIONS {
            let mut answer = 0;
            if retried >= lost {
                for _ in 0..copies {
                    answer = self.post(retried).await;
                }
            }
            self.note(answer);
            if answer == 200 {
                return;
            }
            sleep(delay).await;
            delay *= 4;
        }
    }

    /// Sends it once; 0 if there was no answer.
    async fn post(&self, retried: u32) -> u16 {
        let Some(url) = self.target.url.clone() else { return 0 };
        // A receiver compares the time with its own clock, whatever this simulator lets pass.
        let now = Clock::default().now();
        let mut request = self
            .client
            .post(url)
            .header("content-type", "application/json; charset=utf-8")
            .header("tosspayments-webhook-transmission-id", &self.record.id)
            .header("tosspayments-webhook-transmission-time", written(now))
            .header("tosspayments-webhook-transmission-retried-count", retried);
        if self.target.format == WebhookFormat::Standard {
            let timestamp = now.timestamp();
            let signatures =
                sign::signatures(&self.target.secrets, &self.record.id, timestamp, &self.record.body);
            request = request
                .header("webhook-id", &self.record.id)
                .header("webhook-timestamp", timestamp)
                .header("webhook-signature", signatures);
        }
        let answer = request.body(self.record.body.clone()).send().await;
        self.passed.notify_waiters();
        answer.map_or(0, |response| response.status().as_u16())
    }

    fn note(&self, answer: u16) {
        let mut sent = self.sent.lock().expect("no panic while locked");
        if let Some(record) = sent.iter_mut().rev().find(|record| record.id == self.record.id) {
            record.answers.push(answer);
        }
    }
}

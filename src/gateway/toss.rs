//! The adapter for Toss Payments' API.

mod codes;
mod read;
mod wire;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, Uri};
use serde_json::{Value, json};

use super::port::{
    Cancel, CancelAnswer, Confirm, ConfirmAnswer, FindAnswer, Gateway, List, ListAnswer, MAX_PAGE,
    WebhookEvent, Why,
};
use crate::domain::gateway::{CallKey, GatewayOrderId, PaymentKey, is_plain};
use crate::peers::client::{HttpAnswer, HttpClient};
use crate::peers::secret::Secret;
use crate::peers::tls::TlsError;
use crate::peers::webhook::{WebhookError, WebhookSecrets, id_header};

/// The largest answer read: a full page of transactions is a few megabytes.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Characters of a cancel's reason.
const LONGEST_REASON: usize = 200;
/// Webhooks that are not signed are named by this header.
const TRANSMISSION_ID: &str = "tosspayments-webhook-transmission-id";

/// What the adapter needs to know.
#[derive(Debug, Clone)]
pub struct TossSettings {
    /// Where the API is, such as `https://api.tosspayments.com`.
    pub url: String,
    /// Proves who we are.
    pub secret_key: Secret,
    /// For a whole call, from its start to the end of the answer.
    pub timeout: Duration,
    /// Check webhooks; without them unsigned ones are taken, as hints.
    pub webhook_secrets: WebhookSecrets,
}

/// Why there is no adapter. No text tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum TossError {
    /// The URL is none, or has a path that ends in a query.
    #[error("the URL of Toss Payments must be http:// or https:// and a host")]
    Url,
    /// The secret key cannot be sent.
    #[error("the secret key of Toss Payments has characters that cannot be in a header")]
    SecretKey,
    /// There can be no client.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

pub struct Toss {
    client: HttpClient,
    base: String,
    authorization: HeaderValue,
    webhook_secrets: WebhookSecrets,
}

impl Toss {
    /// An adapter; it connects when it is first asked.
    pub fn new(settings: &TossSettings) -> Result<Self, TossError> {
        let base = settings.url.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| TossError::Url)?;
        if !matches!(uri.scheme_str(), Some("http" | "https"))
            || uri.host().is_none()
            || uri.query().is_some()
        {
            return Err(TossError::Url);
        }
        let credentials = STANDARD.encode(format!("{}:", settings.secret_key.expose()));
        let mut authorization =
            HeaderValue::from_str(&format!("Basic {credentials}")).map_err(|_| TossError::SecretKey)?;
        // Nobody who prints the request prints the key.
        authorization.set_sensitive(true);
        Ok(Self {
            client: HttpClient::new(&uri, settings.timeout, MAX_ANSWER_BYTES)?,
            base,
            authorization,
            webhook_secrets: settings.webhook_secrets.clone(),
        })
    }

    async fn get(&self, path: &str) -> Result<HttpAnswer, Why> {
        self.send(Method::GET, path, None, Bytes::new()).await
    }

    async fn post(&self, path: &str, key: &CallKey, body: &Value) -> Result<HttpAnswer, Why> {
        self.send(Method::POST, path, Some(key), Bytes::from(body.to_string())).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&CallKey>,
        body: Bytes,
    ) -> Result<HttpAnswer, Why> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json");
        if let Some(key) = key {
            request =
                request.header(CONTENT_TYPE, "application/json").header("idempotency-key", key.as_str());
        }
        let request = request.body(Full::new(body)).expect("paths and keys have only plain characters");
        Ok(self.client.send(request).await?)
    }
}

impl Gateway for Toss {
    fn name(&self) -> &'static str {
        "toss"
    }

    fn longest_call(&self) -> Duration {
        self.client.timeout()
    }

    fn confirm<'a>(&'a self, ask: &'a Confirm) -> BoxFuture<'a, ConfirmAnswer> {
        async move {
            let body = json!({
                "paymentKey": ask.payment, "orderId": ask.order, "amount": ask.amount,
            });
            match self.post("/v1/payments/confirm", &ask.call_key, &body).await {
                Ok(answer) => read::confirmed(ask, &answer),
                Err(why) => ConfirmAnswer::Unknown { why },
            }
        }
        .boxed()
    }

    fn find<'a>(&'a self, key: &'a PaymentKey) -> BoxFuture<'a, FindAnswer> {
        async move {
            match self.get(&format!("/v1/payments/{key}")).await {
                Ok(answer) => read::found(&answer, |payment| (payment.key != *key).then_some("payment")),
                Err(why) => FindAnswer::Unknown { why },
            }
        }
        .boxed()
    }

    fn find_by_order<'a>(&'a self, order: &'a GatewayOrderId) -> BoxFuture<'a, FindAnswer> {
        async move {
            match self.get(&format!("/v1/payments/orders/{order}")).await {
                Ok(answer) => read::found(&answer, |payment| (payment.order != *order).then_some("order")),
                Err(why) => FindAnswer::Unknown { why },
            }
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, ask: &'a Cancel) -> BoxFuture<'a, CancelAnswer> {
        async move {
            let reason: String = ask.reason.chars().take(LONGEST_REASON).collect();
            let mut body = json!({"cancelReason": reason});
            if let Some(amount) = ask.amount {
                body["cancelAmount"] = json!(amount);
            }
            let path = format!("/v1/payments/{}/cancel", ask.payment);
            match self.post(&path, &ask.call_key, &body).await {
                Ok(answer) => read::cancelled(ask, &answer),
                Err(why) => CancelAnswer::Unknown { why },
            }
        }
        .boxed()
    }

    fn list<'a>(&'a self, ask: &'a List) -> BoxFuture<'a, ListAnswer> {
        async move {
            let limit = ask.limit.clamp(1, MAX_PAGE);
            let (from, until) = (korean(ask.from), korean(ask.until));
            let mut path = format!("/v1/transactions?startDate={from}&endDate={until}&limit={limit}");
            if let Some(after) = &ask.after {
                if !is_plain(after) {
                    return ListAnswer::Unknown { why: Why::Mismatch { field: "transaction" } };
                }
                path.push_str("&startingAfter=");
                path.push_str(after);
            }
            match self.get(&path).await {
                Ok(answer) => read::listed(&answer, limit),
                Err(why) => ListAnswer::Unknown { why },
            }
        }
        .boxed()
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError> {
        let signed = !self.webhook_secrets.is_empty();
        let id = if signed {
            self.webhook_secrets.verify(headers, body, now)?
        } else {
            id_header(headers, TRANSMISSION_ID)?.to_owned()
        };
        read::event(id, signed, body)
    }
}

/// A time as the API takes it: Korean, without saying so.
fn korean(time: DateTime<Utc>) -> String {
    let seoul = FixedOffset::east_opt(9 * 3600).expect("nine hours are an offset");
    time.with_timezone(&seoul).format("%Y-%m-%dT%H:%M:%S").to_string()
}

//! Reports to the data platform: webhooks after Standard Webhooks 1.0, ours to send.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};
use serde::Serialize;

use crate::domain::ids::{CommandId, CustomerId, OrderId, SkuCode};
use crate::domain::money::Won;
use crate::domain::notice::{Matter, Notice};
use crate::peers::client::HttpClient;
use crate::peers::secret::Secret;
use crate::peers::tls::TlsError;
use crate::peers::webhook::{InvalidSecret, WebhookSecrets};

/// Nobody reads the answer beyond its status.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Whoever asks us to come back later than this is asked again then.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// Why there is no data platform. No text tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum ReportSetupError {
    #[error("the URL of the data platform must be http:// or https:// and a host")]
    Url,
    /// Reports are always signed.
    #[error("HOLDFAST_DATA_PLATFORM_SECRET is needed to sign reports")]
    NoSecret,
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// There can be no client.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a report was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It does not want this one, ever.
    #[error("the data platform answered 410")]
    Gone,
    /// It may work the next time.
    #[error("{why}")]
    Failed {
        why: String,
        /// When it wants to be asked again, at the earliest.
        retry_after: Option<Duration>,
    },
}

/// Whom facts are reported to.
pub struct DataPlatform {
    client: HttpClient,
    url: Uri,
    secrets: WebhookSecrets,
}

impl DataPlatform {
    /// The data platform at this address; `timeout` is for a whole call.
    pub fn new(url: &str, secrets: &[Secret], timeout: Duration) -> Result<Self, ReportSetupError> {
        let url: Uri = url.parse().map_err(|_| ReportSetupError::Url)?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
            return Err(ReportSetupError::Url);
        }
        let secrets = WebhookSecrets::parse(secrets)?;
        if secrets.is_empty() {
            return Err(ReportSetupError::NoSecret);
        }
        Ok(Self { client: HttpClient::new(&url, timeout, MAX_ANSWER_BYTES)?, url, secrets })
    }

    /// Reports a fact, signed at `now`. Reported again it has the same `webhook-id` and the same body.
    pub async fn report(&self, notice: &Notice, now: DateTime<Utc>) -> Result<(), ReportError> {
        let id = format!("evt_{}_{}", notice.order_id.uuid().simple(), notice.event_id);
        let body = body(notice);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .header("webhook-signature", self.secrets.sign(&id, now.timestamp(), &body))
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-id", id)
            .body(Full::new(Bytes::from(body)))
            .expect("ids, times and signatures have only plain characters");
        let failed = |why: String, retry_after| Err(ReportError::Failed { why, retry_after });
        match self.client.send(request).await {
            Ok(answer) => match answer.status {
                200..=299 => Ok(()),
                410 => Err(ReportError::Gone),
                status => {
                    failed(format!("the data platform answered {status}"), retry_after(&answer.headers, now))
                }
            },
            Err(error) => failed(format!("the data platform: {error}"), None),
        }
    }
}

/// The `Retry-After` of an answer, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok()?,
    };
    Some(delay.min(LONGEST_RETRY_AFTER))
}

#[derive(Serialize)]
struct WireReport<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: DateTime<Utc>,
    data: ReportData<'a>,
}

#[derive(Serialize)]
struct ReportData<'a> {
    order_id: OrderId,
    customer_id: &'a CustomerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<CommandId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<CommandId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_whole: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
    amount_won: Won,
    currency: &'static str,
    items: Vec<ReportItem<'a>>,
}

/// Without its name, which the platform knows by the SKU: fifty names could be more than webhooks may carry.
#[derive(Serialize)]
struct ReportItem<'a> {
    sku: &'a SkuCode,
    quantity: i32,
    amount_won: Won,
}

fn body(notice: &Notice) -> Vec<u8> {
    let items = notice.items.iter().map(|item| ReportItem {
        sku: &item.sku,
        quantity: item.quantity,
        amount_won: item.amount,
    });
    let mut data = ReportData {
        order_id: notice.order_id,
        customer_id: &notice.customer_id,
        payment_id: None,
        refund_id: None,
        is_whole: None,
        waiting_since: None,
        expires_at: None,
        amount_won: notice.amount,
        currency: "KRW",
        items: items.collect(),
    };
    match notice.matter {
        Matter::Paid { payment_id } => data.payment_id = Some(payment_id),
        Matter::Refunded { refund_id, is_whole } => {
            (data.refund_id, data.is_whole) = (Some(refund_id), Some(is_whole));
        }
        // As it was when the hold began: reported again it has the same body.
        Matter::Held { waiting_since, expires_at, held_until: _ } => {
            (data.waiting_since, data.expires_at) = (Some(waiting_since), Some(expires_at));
        }
        Matter::Refused { waiting_since } => data.waiting_since = Some(waiting_since),
    }
    let report = WireReport { kind: notice.matter.kind(), timestamp: notice.occurred_at, data };
    serde_json::to_vec(&report).expect("a report has string keys and no failing serializer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::items::{MAX_ITEMS, MAX_QUANTITY};
    use crate::domain::money::MAX_AMOUNT;
    use crate::domain::notice::NoticeItem;
    use uuid::Uuid;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn the_largest_order_fits_into_a_webhook() {
        let item = NoticeItem {
            sku: SkuCode::parse("s".repeat(64)).unwrap(),
            name: "n".repeat(200),
            quantity: MAX_QUANTITY,
            amount: MAX_AMOUNT,
        };
        let notice = Notice {
            event_id: i64::MAX,
            occurred_at: DateTime::from_timestamp(NOW, 123_456_000).unwrap(),
            order_id: OrderId::from(Uuid::nil()),
            customer_id: CustomerId::parse("c".repeat(64)).unwrap(),
            email: None,
            matter: Matter::Refunded { refund_id: CommandId(Uuid::nil()), is_whole: true },
            amount: MAX_AMOUNT,
            items: vec![item; MAX_ITEMS],
        };
        assert!(body(&notice).len() < 20_000, "{} bytes", body(&notice).len());
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|delay| delay.as_secs())
        };
        let date = (now + chrono::TimeDelta::seconds(90)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert_eq!((read("120"), read(&date), read("999999999")), (Some(120), Some(90), Some(86_400)));
        assert_eq!((read("soon"), read("-5"), read("Wed, 21 Oct 2015 07:28:00 GMT")), (None, None, None));
    }
}

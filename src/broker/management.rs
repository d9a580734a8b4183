//! RabbitMQ's management API: what AMQP does not tell of queues, such as rates and unacknowledged messages.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use hyper::{Method, Request, Uri};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use super::address::{Address, AddressError};
use crate::peers::client::{CallError, HttpClient};
use crate::peers::secret::Secret;
use crate::peers::tls::TlsError;

/// An answer about fifty queues has some 20 kB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Everything else that the API tells of a queue is left out.
const COLUMNS: &str = "name,messages_ready,messages_unacknowledged,consumers,head_message_timestamp,\
                       message_stats.publish_details.rate,message_stats.deliver_get_details.rate,\
                       message_stats.ack_details.rate";

/// Why the management API cannot be asked. No text tells the address, which holds a password.
#[derive(Debug, thiserror::Error)]
pub enum ManagementSetupError {
    /// The address makes no sense.
    #[error("HOLDFAST_RABBITMQ_API is no address such as http://user:password@host:15672/api")]
    Url,
    /// The AMQP address makes no sense, which names the virtual host.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagementError {
    /// The call came to nothing.
    #[error("RabbitMQ's management API: {0}")]
    Call(#[from] CallError),
    /// It said no, such as to the password.
    #[error("RabbitMQ's management API answered {0}")]
    Status(u16),
    /// It answered something else.
    #[error("RabbitMQ's management API answered what cannot be read")]
    Unreadable,
}

/// What the management API tells of a queue. Its counts are up to five seconds old.
#[derive(Debug, Clone, Deserialize)]
pub struct QueueStats {
    pub name: String,
    /// Messages that wait for a consumer; absent while the broker has not counted a new queue yet.
    #[serde(rename = "messages_ready")]
    pub ready: Option<u64>,
    /// Messages that a consumer has and did not acknowledge yet.
    #[serde(rename = "messages_unacknowledged")]
    pub unacknowledged: Option<u64>,
    pub consumers: Option<u64>,
    /// When the message at the head was published, in seconds, where the broker tells it.
    #[serde(default, deserialize_with = "number_or_nothing")]
    pub head_message_timestamp: Option<i64>,
    /// How many messages come and go.
    #[serde(default)]
    pub message_stats: MessageStats,
}

/// Rates of a queue. The API leaves out what never happened.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct MessageStats {
    /// Messages that come in.
    #[serde(default, rename = "publish_details")]
    pub publish: Rate,
    /// Messages handed to consumers.
    #[serde(default, rename = "deliver_get_details")]
    pub deliver: Rate,
    #[serde(default, rename = "ack_details")]
    pub ack: Rate,
}

/// A rate per second.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Rate {
    /// Per second, over the last few of them.
    #[serde(default, rename = "rate")]
    pub per_second: f64,
}

/// The API writes an empty text where it has no number.
fn number_or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_i64())
}

/// The management API of one virtual host.
#[derive(Clone)]
pub struct Management {
    client: HttpClient,
    queues: Uri,
    authorization: HeaderValue,
}

impl Management {
    /// The API at `url`, for the virtual host that `broker` names and with its authorities: it is the same server.
    pub fn new(url: &Secret, broker: &Address, timeout: Duration) -> Result<Self, ManagementSetupError> {
        let amqp = broker.uri()?;
        let (base, user, password) = take_apart(url.expose()).ok_or(ManagementSetupError::Url)?;
        let vhost = utf8_percent_encode(&amqp.vhost, NON_ALPHANUMERIC);
        let queues: Uri = format!("{base}/queues/{vhost}?columns={COLUMNS}")
            .parse()
            .map_err(|_| ManagementSetupError::Url)?;
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        let mut authorization =
            HeaderValue::from_str(&format!("Basic {credentials}")).expect("base64 has only plain characters");
        authorization.set_sensitive(true);
        let client = HttpClient::trusting(broker.tls(), &queues, timeout, MAX_ANSWER_BYTES)?;
        Ok(Self { client, queues, authorization })
    }

    /// Every queue of the virtual host.
    pub async fn queues(&self) -> Result<Vec<QueueStats>, ManagementError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(self.queues.clone())
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::new()))
            .expect("address and header were checked before");
        let answer = self.client.send(request).await?;
        if answer.status != 200 {
            return Err(ManagementError::Status(answer.status));
        }
        serde_json::from_slice(&answer.body).map_err(|_| ManagementError::Unreadable)
    }
}

/// Address, user and password of `http://user:password@host:port/api`.
fn take_apart(url: &str) -> Option<(String, String, String)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let (credentials, place) = rest.rsplit_once('@')?;
    let (user, password) = credentials.split_once(':')?;
    let decoded = |text| percent_decode_str(text).decode_utf8().ok().map(String::from);
    Some((format!("{scheme}://{}", place.trim_end_matches('/')), decoded(user)?, decoded(password)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let (base, user, password) = take_apart("http://guest:p%40ss@127.0.0.1:15672/api/").unwrap();
        assert_eq!(
            (base.as_str(), user.as_str(), password.as_str()),
            ("http://127.0.0.1:15672/api", "guest", "p@ss")
        );
        for bad in ["", "guest:guest@host/api", "ftp://a:b@host/api", "http://host/api", "http://a@host/api"]
        {
            assert!(take_apart(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn no_error_tells_the_password() {
        let secret = Secret::from("http://guest:hush@ho st/api".to_owned());
        let error =
            Management::new(&secret, &"amqp://localhost/%2f".into(), Duration::from_secs(1)).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }

    #[test]
    fn a_queue_is_read_whatever_the_broker_leaves_out() {
        let bare: QueueStats = serde_json::from_str(r#"{"name": "order.hold"}"#).unwrap();
        assert_eq!((bare.ready, bare.message_stats.publish.per_second), (None, 0.0));
        let full = r#"{"name": "order.hold", "messages_ready": 3, "messages_unacknowledged": 1, "consumers": 2,
            "head_message_timestamp": "", "message_stats": {"publish_details": {"rate": 1.5}}}"#;
        let full: QueueStats = serde_json::from_str(full).unwrap();
        assert_eq!((full.ready, full.head_message_timestamp), (Some(3), None));
        assert!((full.message_stats.publish.per_second - 1.5).abs() < 1e-9);
    }
}

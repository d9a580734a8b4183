//! An HTTP client for one other system: one answer within one time, and every other end told apart.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections are closed before the other side closes them, so that no call is lost on a dying one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The operating system has no certificate authorities.
    #[error("no certificate authorities to check the other side's identity with: {0}")]
    Authorities(#[source] std::io::Error),
    /// The cryptography does not do what TLS needs.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a call has no answer. The texts hold nothing of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There was no connection.
    #[error("it cannot be reached")]
    Unreachable,
    /// It did not answer in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// The connection broke before the answer was complete.
    #[error("the connection broke before its answer")]
    Broken,
    /// Its answer has more bytes than are read.
    #[error("it answered {status} with more than is read")]
    TooLarge {
        /// The HTTP status.
        status: u16,
    },
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

/// A pool of connections. It follows no redirect: secrets go to whom they were meant for and nowhere else.
#[derive(Clone)]
pub struct HttpClient {
    pool: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    max_answer_bytes: usize,
}

impl HttpClient {
    /// A client for the system at `base`; `timeout` is for a whole call.
    pub fn new(base: &Uri, timeout: Duration, max_answer_bytes: usize) -> Result<Self, ClientError> {
        let encrypted = base.scheme_str() == Some("https");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = if encrypted {
            tls.with_native_roots().map_err(ClientError::Authorities)?
        } else {
            // A simulator on this machine: nothing is trusted, because nothing is asked.
            tls.with_root_certificates(RootCertStore::empty())
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls.with_no_client_auth());
        let connector = if encrypted { connector.https_only() } else { connector.https_or_http() };
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector.enable_http1().wrap_connector(tcp));
        Ok(Self { pool, timeout, max_answer_bytes })
    }

    /// How long a whole call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request and reads the answer to its end.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or(Err(CallError::TimedOut))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let response =
            self.pool.request(request).await.map_err(|error| {
                if error.is_connect() { CallError::Unreachable } else { CallError::Broken }
            })?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let body = Limited::new(body, self.max_answer_bytes).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                CallError::TooLarge { status }
            } else {
                CallError::Broken
            }
        })?;
        Ok(Answer { status, headers: parts.headers, body: body.to_bytes() })
    }
}

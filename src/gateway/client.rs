//! An HTTP client for a gateway: one answer within one time, and every other end told apart.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use super::port::Why;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections are closed before gateways close them, so that no call is lost on a dying one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer read: a full page of transactions is a few megabytes.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The operating system has no certificate authorities.
    #[error("no certificate authorities to check the gateway's identity with: {0}")]
    Authorities(#[source] std::io::Error),
    /// The cryptography does not do what TLS needs.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A status and a body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// A pool of connections. It follows no redirect: the secret key goes to the gateway and nowhere else.
#[derive(Clone)]
pub(super) struct GatewayClient {
    pool: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl GatewayClient {
    /// A client for the gateway at `base`; `timeout` is for a whole call.
    pub(super) fn new(base: &Uri, timeout: Duration) -> Result<Self, ClientError> {
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
        Ok(Self { pool, timeout })
    }

    /// Sends a request and reads the answer to its end.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Why> {
        tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or(Err(Why::TimedOut))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Why> {
        let response = self
            .pool
            .request(request)
            .await
            .map_err(|error| if error.is_connect() { Why::Unreachable } else { Why::Broken })?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Why::Unreadable { status }
            } else {
                Why::Broken
            }
        })?;
        Ok(Answer { status, body: body.to_bytes() })
    }
}

//! An HTTP client for one other system: one answer within one time, and every other end told apart.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::tls::{TlsError, TlsFiles, trusting_nobody};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections are closed before the other side closes them, so that no call is lost on a dying one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

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
    TooLarge { status: u16 },
}

#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The rest of an answer whose body comes piece by piece.
pub struct Pieces {
    status: u16,
    body: Incoming,
    timeout: Duration,
    max_answer_bytes: usize,
}

impl Pieces {
    /// The next piece, within the time of a call; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            let frame = tokio::time::timeout(self.timeout, self.body.frame());
            match frame.await.map_err(|_| CallError::TimedOut)? {
                None => return Ok(None),
                Some(Err(_)) => return Err(CallError::Broken),
                // What is no data are trailers, which nobody asked for.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// All of it, within the time of a call and if it is not more than is read.
    pub async fn whole(self) -> Result<Bytes, CallError> {
        let reading = Limited::new(self.body, self.max_answer_bytes).collect();
        let whole = tokio::time::timeout(self.timeout, reading).await.map_err(|_| CallError::TimedOut)?;
        Ok(whole.map_err(|error| not_whole(&*error, self.status))?.to_bytes())
    }
}

/// A pool of connections. It follows no redirect: secrets go to whom they were meant for and nowhere else.
#[derive(Clone)]
pub struct HttpClient {
    pool: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    max_answer_bytes: usize,
}

impl HttpClient {
    /// A client for the system at `base`, which the operating system's authorities vouch for; `timeout` is for a whole
    /// call.
    pub fn new(base: &Uri, timeout: Duration, max_answer_bytes: usize) -> Result<Self, TlsError> {
        Self::trusting(&TlsFiles::default(), base, timeout, max_answer_bytes)
    }

    /// The same with authorities and an identity of files.
    pub fn trusting(
        files: &TlsFiles,
        base: &Uri,
        timeout: Duration,
        max_answer_bytes: usize,
    ) -> Result<Self, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new();
        let connector = if base.scheme_str() == Some("https") {
            connector.with_tls_config(files.client_config()?).https_only()
        } else {
            // Such as a simulator on this machine: nothing is trusted, because nothing is asked.
            connector.with_tls_config(trusting_nobody()?).https_or_http()
        };
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
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<HttpAnswer, CallError> {
        tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or(Err(CallError::TimedOut))
    }

    /// Sends a request whose answer may be of any length: its status and headers come within the time of a call.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Result<(HttpAnswer, Pieces), CallError> {
        let response = tokio::time::timeout(self.timeout, self.pool.request(request));
        let response = response.await.map_err(|_| CallError::TimedOut)?.map_err(not_reached)?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let answer = HttpAnswer { status, headers: parts.headers, body: Bytes::new() };
        let Self { timeout, max_answer_bytes, .. } = *self;
        Ok((answer, Pieces { status, body, timeout, max_answer_bytes }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<HttpAnswer, CallError> {
        let response = self.pool.request(request).await.map_err(not_reached)?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let body = Limited::new(body, self.max_answer_bytes).collect().await;
        let body = body.map_err(|error| not_whole(&*error, status))?.to_bytes();
        Ok(HttpAnswer { status, headers: parts.headers, body })
    }
}

fn not_reached(error: Error) -> CallError {
    if error.is_connect() { CallError::Unreachable } else { CallError::Broken }
}

fn not_whole(error: &(dyn std::error::Error + 'static), status: u16) -> CallError {
    if error.is::<LengthLimitError>() { CallError::TooLarge { status } } else { CallError::Broken }
}

//! The API as the command line calls it: by one address and with one token, so that rights and names are those of the token.
//! What the API refuses is an error in its words.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use holdfast::domain::ids::IdempotencyKey;
use holdfast::http::headers::MAX_WAIT_SECONDS;
use holdfast::http::views::Problem;
use holdfast::peers::client::{HttpAnswer, HttpClient};
use holdfast::peers::secret::Secret;
use holdfast::peers::tls::{TlsFiles, is_loopback};
use holdfast::terminal::printable;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::output::{Output, say};

/// A whole call, or one piece of an export: the longest wait, and as much again as the API may need beside it.
const TIMEOUT: Duration = Duration::from_secs(MAX_WAIT_SECONDS + 15);
/// A page has at most a hundred things of a bounded size; exports are not kept.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Where the API is, and who calls it.
#[derive(Args)]
pub(super) struct ApiArguments {
    /// Where the API is
    #[arg(long, env = "HOLDFAST_URL", default_value = "http://127.0.0.1:8080")]
    url: Uri,
    /// The token of a viewer, an operator or an admin; of a shop for its catalogue
    #[arg(long, env = "HOLDFAST_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
    /// A file that holds the token
    #[arg(long, env = "HOLDFAST_TOKEN_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    token_file: Option<PathBuf>,
    /// A file with the authorities (PEM) that vouch for the API, if the system's do not
    #[arg(long, env = "HOLDFAST_API_CA_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    api_ca_file: Option<PathBuf>,
}

impl ApiArguments {
    /// A client of the API. Nothing is sent yet.
    pub(super) fn open(&self) -> anyhow::Result<ApiClient> {
        let (Some("http" | "https"), Some(host)) = (self.url.scheme_str(), self.url.host()) else {
            bail!("HOLDFAST_URL is no address such as https://shop.example.com");
        };
        if self.url.scheme_str() == Some("http") && !is_loopback(host) {
            tracing::warn!(host, "the token travels as plain text: call the API by https");
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", self.token()?))
            .ok()
            .context("the token has characters that no token has")?;
        authorization.set_sensitive(true);
        let files = TlsFiles::new(self.api_ca_file.as_deref(), None, None)?;
        let http = HttpClient::trusting(&files, &self.url, TIMEOUT, MAX_ANSWER_BYTES)?;
        Ok(ApiClient { http, base: self.url.to_string().trim_end_matches('/').to_owned(), authorization })
    }

    fn token(&self) -> anyhow::Result<String> {
        if let Some(token) =
            self.token.as_ref().map(|token| token.expose().trim()).filter(|text| !text.is_empty())
        {
            return Ok(token.to_owned());
        }
        // An empty variable is how a compose file says "not set".
        let file = self.token_file.as_deref().filter(|file| !file.as_os_str().is_empty());
        let file =
            file.context("no token: set HOLDFAST_TOKEN, or HOLDFAST_TOKEN_FILE to a file that holds it")?;
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the token cannot be read from {}", file.display()))?;
        Ok(text.trim().to_owned())
    }
}

/// A client of the API.
pub(super) struct ApiClient {
    http: HttpClient,
    base: String,
    authorization: HeaderValue,
}

/// What goes beside the body of an act.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Manner<'a> {
    /// Repeats of one key are one act.
    pub(super) key: Option<&'a IdempotencyKey>,
    /// How long to wait for the outcome; 0 leaves that to the API.
    pub(super) wait_seconds: u64,
    /// The body is a JSON document on each line.
    pub(super) is_lines: bool,
}

impl Manner<'_> {
    /// The error, with the key for another try: under another one it would be another act.
    fn with_key(self, error: anyhow::Error) -> anyhow::Error {
        match self.key {
            Some(key) => error.context(format!("try again with --key {}", printable(key.as_str()))),
            None => error,
        }
    }
}

impl ApiClient {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.call(Method::GET, path, None, Manner::default()).await
    }

    /// Reads what a filter finds.
    pub(super) async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        filter: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.get(&format!("{path}?{}", serde_urlencoded::to_string(filter)?)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.act(path, body, Manner::default()).await
    }

    /// Does something that has a key, or an outcome that is waited for.
    pub(super) async fn act<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        manner: Manner<'_>,
    ) -> anyhow::Result<T> {
        self.call(Method::POST, path, Some(serde_json::to_vec(body)?), manner).await
    }

    /// Writes an answer to standard output as it comes.
    pub(super) async fn download(&self, path: &str) -> anyhow::Result<()> {
        let request = self.request(Method::GET, path, None, Manner::default())?;
        let (answer, mut rest) = self.http.open(request).await.with_context(|| self.at())?;
        if answer.status != StatusCode::OK.as_u16() {
            let body = rest.whole().await.with_context(|| self.at())?;
            return Err(refused(&HttpAnswer { body, ..answer }));
        }
        let mut out = Output::lock();
        while let Some(piece) = rest.next().await.context("the export is not complete")? {
            out.write_all(&piece)?;
        }
        Ok(out.flush()?)
    }

    /// Sends documents, one on each line.
    pub(super) async fn send_lines<T: DeserializeOwned>(
        &self,
        path: &str,
        lines: Vec<u8>,
    ) -> anyhow::Result<T> {
        let manner = Manner { is_lines: true, ..Manner::default() };
        self.call(Method::POST, path, Some(lines), manner).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        manner: Manner<'_>,
    ) -> anyhow::Result<T> {
        let request = self.request(method, path, body, manner)?;
        let answer = match self.http.send(request).await.with_context(|| self.at()) {
            Ok(answer) if answer.status < 500 => answer,
            // Whoever gets no answer, or hears of the API's own trouble, cannot know whether it was done.
            trouble => return Err(manner.with_key(trouble.map_or_else(|error| error, |told| refused(&told)))),
        };
        if !(200..300).contains(&answer.status) {
            return Err(refused(&answer));
        }
        serde_json::from_slice(&answer.body)
            .context("the API's answer is not understood: is it of another version?")
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        manner: Manner<'_>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header(AUTHORIZATION, self.authorization.clone());
        if body.is_some() {
            let kind = if manner.is_lines { "application/x-ndjson" } else { "application/json" };
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(key) = manner.key {
            request = request.header("Idempotency-Key", key.as_str());
        }
        if manner.wait_seconds > 0 {
            request = request.header("Prefer", format!("wait={}", manner.wait_seconds));
        }
        Ok(request.body(Full::new(Bytes::from(body.unwrap_or_default())))?)
    }

    fn at(&self) -> String {
        format!("the API at {}", self.base)
    }
}

/// Why there is no good answer, in the API's words.
fn refused(answer: &HttpAnswer) -> anyhow::Error {
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(Problem { title, detail, .. }) => anyhow::anyhow!("{}: {}", printable(&title), printable(&detail)),
        Err(_) => anyhow::anyhow!("the API answered {}", answer.status),
    }
}

/// A name as a part of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// Prints what the API told as JSON on lines.
pub(super) fn print_json(told: &impl Serialize) -> anyhow::Result<()> {
    say!("{}", serde_json::to_string_pretty(told)?);
    Ok(())
}

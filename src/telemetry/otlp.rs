//! Spans to a collector, by OTLP over HTTP. The standard variables of OpenTelemetry say where to and how: nothing is
//! sent unless `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use http_body_util::Full;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::trace_parent::TraceParent;
use crate::peers::client::HttpClient;

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// A collector that answers later counts as away.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// What is still to be sent at the end has this long.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Starts to export, if the environment names a collector.
pub(super) fn start(program: &'static str) -> anyhow::Result<Option<SdkTracer>> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let is_disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let Some(endpoint) = endpoint.filter(|_| !is_disabled) else { return Ok(None) };

    let base = endpoint.parse().context("the OTLP endpoint is no URL")?;
    let pool = HttpClient::new(&base, TIMEOUT, MAX_ANSWER_BYTES)?;
    let sender = Sender { pool, runtime: Handle::current() };
    let exporter = SpanExporter::builder().with_http().with_http_client(sender).build()?;
    let mut resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if set("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(program);
    }
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let tracer = provider.tracer("holdfast");
    PROVIDER.set(provider).ok().context("the exporter of spans is started once")?;
    Ok(Some(tracer))
}

/// Whether spans are sent.
pub(super) fn is_running() -> bool {
    PROVIDER.get().is_some()
}

/// Sends what is left.
pub(super) async fn stop() {
    // It waits for a thread of its own, whose calls are made by this runtime.
    let _ = tokio::task::spawn_blocking(|| PROVIDER.get().map(|p| p.shutdown_with_timeout(LAST_WORDS))).await;
}

/// See [`super::spans::begin`]. `None` if this span is not kept.
pub(super) fn begin(span: &Span, parent: Option<TraceParent>) -> Option<TraceParent> {
    PROVIDER.get()?;
    let remote = parent
        .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(span_context(parent)));
    span.set_parent(remote).ok()?;
    let context = span.context();
    let own = context.span().span_context().clone();
    own.is_valid().then(|| TraceParent {
        trace_id: u128::from_be_bytes(own.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(own.span_id().to_bytes()),
        flags: own.trace_flags().to_u8(),
    })
}

/// See [`super::spans::link`].
pub(super) fn link(span: &Span, other: TraceParent) {
    if PROVIDER.get().is_some() {
        span.add_link(span_context(other));
    }
}

fn span_context(parent: TraceParent) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(parent.trace_id.to_be_bytes()),
        SpanId::from_bytes(parent.span_id.to_be_bytes()),
        TraceFlags::new(parent.flags),
        true,
        TraceState::default(),
    )
}

/// Our HTTP client, for a thread that is none of the runtime's.
struct Sender {
    pool: HttpClient,
    runtime: Handle,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

#[async_trait]
impl opentelemetry_http::HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let pool = self.pool.clone();
        let answer = self.runtime.spawn(async move { pool.send(request.map(Full::new)).await }).await??;
        Ok(Response::builder().status(answer.status).body(answer.body)?)
    }
}

//! Logs, metrics, traces and the panic line: what a process of ours tells its operator.

use std::sync::OnceLock;

use anyhow::Context as _;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

pub mod catalogue;
#[cfg(feature = "otlp")]
mod otlp;
pub mod spans;
pub mod trace_parent;
mod vitals;

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Buckets of every histogram in seconds: from a fast statement to a minute's lateness.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Buckets of batch sizes.
const COUNTS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0];
/// What is logged unless `RUST_LOG` says otherwise.
const USUAL_LOGS: &str = "info,lapin=error";

/// Sets up logs on standard error: text, or JSON lines with `HOLDFAST_LOG_FORMAT=json`; `RUST_LOG` filters them.
/// A panic becomes one line like any other error. With the feature `otlp`, spans go to the collector that the
/// environment names, under the program's name.
pub fn init(program: &'static str, json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL_LOGS));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().boxed()
    } else {
        lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed()
    };
    let layers = vec![lines.with_filter(filter).boxed()];
    #[cfg(feature = "otlp")]
    let layers = with_exporter(layers, program)?;
    let _ = program;
    tracing_subscriber::registry().with(layers).try_init().context("logs are set up once")?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("(no text)");
        tracing::error!(place, "panicked: {}", text.replace('\n', " "));
    }));
    Ok(())
}

#[cfg(feature = "otlp")]
type Layers = Vec<Box<dyn tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync>>;

/// Spans of our own are exported, those of single messages included, whatever is logged.
#[cfg(feature = "otlp")]
fn with_exporter(mut layers: Layers, program: &'static str) -> anyhow::Result<Layers> {
    use tracing_subscriber::filter::{LevelFilter, filter_fn};
    if let Some(tracer) = otlp::start(program)? {
        let ours = filter_fn(|meta| meta.is_span() && meta.target().starts_with("holdfast"));
        let exporter = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false);
        layers.push(exporter.with_filter(ours.with_max_level_hint(LevelFilter::DEBUG)).boxed());
    }
    Ok(layers)
}

/// Sends what an exporter still has. A process calls it before it ends.
pub async fn stop() {
    #[cfg(feature = "otlp")]
    otlp::stop().await;
}

/// The process's metrics, set up on first use.
pub fn metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), &COUNTS))
            .expect("the bucket lists are not empty");
        let handle = builder.install_recorder().expect("the recorder is installed once, here");
        catalogue::describe();
        handle
    })
}

/// Shows what this process is and how its connections are, at every look at its metrics.
pub fn watch(
    program: &'static str,
    pools: Vec<PgPool>,
    broker_is_connected: impl Fn() -> bool + Send + Sync + 'static,
) {
    metrics();
    vitals::watch(program, pools, Box::new(broker_is_connected));
}

/// `/livez` and `/metrics`, which every process serves.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    metrics();
    Router::new().route("/livez", get(async || "alive\n")).route("/metrics", get(exposition))
}

/// Every metric in the text format of Prometheus.
async fn exposition() -> ([(header::HeaderName, &'static str); 1], String) {
    vitals::read();
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], metrics().render())
}

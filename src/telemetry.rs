//! Logs, metrics and the panic line: what a process of ours tells its operator.

use std::sync::OnceLock;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Buckets of every histogram in seconds: from a fast statement to a minute's lateness.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Buckets of batch sizes.
const COUNTS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0];

/// Sets up logs on standard error: text, or JSON lines with `HOLDFAST_LOG_FORMAT=json`; `RUST_LOG` filters them.
/// A panic becomes one line like any other error.
pub fn init_logs(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,lapin=error"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("(no text)");
        tracing::error!(place, "panicked: {}", text.replace('\n', " "));
    }));
}

/// The process's metrics, set up on first use.
pub fn metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), &COUNTS))
            .expect("the bucket lists are not empty");
        builder.install_recorder().expect("the recorder is installed once, here")
    })
}

/// `/livez` and `/metrics`, which every process serves.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    metrics();
    Router::new().route("/livez", get(async || "alive\n")).route("/metrics", get(async || metrics().render()))
}

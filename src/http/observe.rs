//! What is written down about every request: its span, its trace, how it ended and how long that took.

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, gauge, histogram};
use tokio::time::Instant;
use tracing::{Instrument as _, field, info_span};

use crate::telemetry::spans;
use crate::telemetry::trace_parent::TraceParent;

/// Where a request says which trace it belongs to.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Where the answer says so, as the W3C drafts it.
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// The route of what no route takes: a path is the caller's, and there is no end to them.
const NO_ROUTE: &str = "none";

pub async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let in_flight = InFlight::new();
    let method = method_name(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let exported = spans::are_exported();
    let parent = spans::trace_to_be(parent(request.headers()));
    let span = info_span!(
        "request",
        otel.name = exported.then(|| format!("{method} {route}")),
        otel.kind = exported.then_some("server"),
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        trace_id = parent.map(|parent| field::display(parent.trace_id())),
        order_id = field::Empty,
    );
    let trace = spans::begin(&span, parent);
    if parent.is_none() {
        span.record("trace_id", field::display(trace.trace_id()));
    }
    request.extensions_mut().insert(trace);

    let mut response = next.run(request).instrument(span.clone()).await;
    drop(in_flight);
    let status = response.status();
    if exported {
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
    }
    let class = ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(status.as_u16() / 100).clamp(1, 5) - 1];
    let route = route.to_owned();
    histogram!("holdfast_http_request_seconds", "method" => method, "route" => route.clone())
        .record(started.elapsed());
    counter!("holdfast_http_requests_total", "method" => method, "route" => route, "status_class" => class)
        .increment(1);
    let told = HeaderValue::try_from(trace.to_string()).expect("hexadecimal digits are a header value");
    response.headers_mut().insert(TRACERESPONSE, told);
    response
}

/// The caller's trace. Of several the recommendation takes none.
fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    TraceParent::parse(only.to_str().ok()?)
}

/// A method's name, if it is one that others know as well.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Counts a request as long as it lasts, also if its caller hangs up.
struct InFlight;

impl InFlight {
    fn new() -> Self {
        gauge!("holdfast_http_requests_in_flight").increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!("holdfast_http_requests_in_flight").decrement(1.0);
    }
}

//! Spans as a collector receives them: needs the feature `otlp`, and programs built with it (`make test-otlp`).

#![allow(clippy::unwrap_used, reason = "test names are sentences, and a test fails by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

use holdfast_testing as support;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use holdfast::serving::{self, Room};
use holdfast::telemetry::trace_parent::TraceParent;
use reqwest::Method;
use serde_json::json;
use support::messages::{take, trace_of};
use support::processes::Process;
use support::world::World;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector that keeps the bytes it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl Collector {
    /// Starts it for a world whose programs are to send their spans to it.
    async fn start(world: &mut World) -> Self {
        let collector = Self::default();
        let kept = collector.clone();
        let take_spans = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            kept.0.lock().unwrap().extend_from_slice(&body);
            StatusCode::OK
        };
        let routes = Router::new().route("/v1/traces", post(take_spans));
        let listener = serving::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let room = Room { connections: 100, per_address: 100, proxies: vec![] };
        world.tasks.spawn(serving::serve(listener, routes, room, world.stop.clone()));
        world.environment = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint),
            // Everything is sent at the end, which has to wait for it.
            ("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "600000".to_owned()),
        ];
        collector
    }

    fn count(&self, needle: &[u8]) -> usize {
        self.0.lock().unwrap().windows(needle.len()).filter(|window| *window == needle).count()
    }

    fn has(&self, text: &str) {
        assert!(self.count(text.as_bytes()) > 0, "no {text} in what was sent");
    }
}

#[tokio::test]
async fn the_spans_of_a_request_and_of_what_follows_reach_a_collector_in_one_trace() {
    let mut world = World::idle().await;
    let collector = Collector::start(&mut world).await;
    let (mut api, shop) = Process::api(&world).await;
    shop.stock("mug", 5).await;
    let body = json!({"items": [{"sku": "mug", "quantity": 1}], "hold_seconds": 1});
    let request = shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", "key-1");
    let answer = shop.send(request.header("traceparent", PARENT).json(&body)).await;
    let parent = TraceParent::parse(PARENT).unwrap();
    let request = TraceParent::parse(answer.headers["traceresponse"].to_str().unwrap()).unwrap();
    assert!(request.trace_id == parent.trace_id && request.span_id != parent.span_id, "{request}");
    assert_eq!(request.flags, 1);
    assert!(api.stop().await.0.success());
    collector.has("POST /v1/orders");
    collector.has(answer.text("id"));
    let spans_of = |trace: TraceParent| collector.count(&trace.trace_id.to_be_bytes());
    let of_the_api = spans_of(parent);
    assert!(of_the_api >= 1);

    let mut workers = Process::worker(&world, "order.hold");
    let timer = trace_of(&take(&world, "order.expire").await.properties).unwrap();
    assert!(timer.trace_id == parent.trace_id && timer.span_id != request.span_id, "{timer}");
    assert!(workers.stop().await.0.success());
    collector.has("holdfast-workers");
    collector.has("order.hold batch");
    collector.has("order.hold process");
    assert!(spans_of(parent) > of_the_api);
    // The message's span is a child of the request's, and the timer's parent.
    assert!(collector.count(&request.span_id.to_be_bytes()) >= 2);
    assert!(collector.count(&timer.span_id.to_be_bytes()) >= 1);
    world.execute("UPDATE orders SET expires_at = now() + interval '1 hour' WHERE status = 'held'").await;
    world.finish().await;
}

#[tokio::test]
async fn a_collector_that_is_away_keeps_nobody_from_work() {
    let mut world = World::idle().await;
    world.environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned())];
    let (mut api, shop) = Process::api(&world).await;
    let worker = Process::worker(&world, "");
    shop.stock("mug", 5).await;
    assert_eq!(shop.place("mug", 1, 60).await.status, 201);
    let (status, took) = api.stop().await;
    assert!(status.success() && took.as_secs() < 15, "{status} {took:?}");
    drop(worker);
    world.finish().await;
}

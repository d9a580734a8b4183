//! A data platform that keeps what it is told and answers as a test wants, over real HTTP.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use holdfast::clock;
use holdfast::peers::secret::Secret;
use holdfast::peers::webhook::WebhookSecrets;
use serde_json::Value;
use tokio::net::TcpListener;

/// How the platform answers one report.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    Status(u16),
    With(u16, (&'static str, &'static str)),
    Hang,
}

/// A report as it came.
#[derive(Debug, Clone)]
pub struct Report {
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub came_at: Instant,
}

impl Report {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// Whether somebody who knows this secret would take it.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let secrets = WebhookSecrets::parse(&[Secret::from(secret.to_owned())]).unwrap();
        secrets.verify(&self.headers, &self.bytes, clock::now()).is_ok_and(|id| id == self.id())
    }
}

#[derive(Default)]
struct Inbox {
    reports: Vec<Report>,
    manners: VecDeque<Manner>,
}

#[derive(Clone)]
pub struct Platform {
    pub url: String,
    inbox: Arc<Mutex<Inbox>>,
}

impl Platform {
    pub async fn start() -> Self {
        let inbox: Arc<Mutex<Inbox>> = Arc::default();
        let app = Router::new().route("/reports", post(take)).with_state(inbox.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/reports", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inbox }
    }

    /// The next reports are answered like this, those after them with 204.
    pub fn answer_next(&self, manners: &[Manner]) {
        self.inbox.lock().unwrap().manners.extend(manners);
    }

    pub fn reports(&self) -> Vec<Report> {
        self.inbox.lock().unwrap().reports.clone()
    }

    /// Waits for so many reports.
    pub async fn wait_for(&self, count: usize) -> Vec<Report> {
        crate::support::eventually(&format!("{count} reports have come"), async || {
            (self.reports().len() >= count).then_some(())
        })
        .await;
        self.reports()
    }
}

async fn take(State(inbox): State<Arc<Mutex<Inbox>>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let manner = {
        let mut inbox = inbox.lock().unwrap();
        inbox.reports.push(Report { headers, bytes, came_at: Instant::now() });
        inbox.manners.pop_front().unwrap_or(Manner::Status(204))
    };
    let status = |code| StatusCode::from_u16(code).unwrap();
    match manner {
        Manner::Status(code) => status(code).into_response(),
        Manner::With(code, header) => (status(code), [header]).into_response(),
        Manner::Hang => std::future::pending().await,
    }
}

//! A shop's end of the webhooks: keeps what comes and answers as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

/// A webhook as it came.
#[derive(Clone)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn status(&self) -> String {
        let event: Value = serde_json::from_slice(&self.body).unwrap();
        event["data"]["status"].as_str().unwrap().to_owned()
    }
}

#[derive(Default)]
struct Inbox {
    received: Vec<Received>,
    /// What the next ones are answered; 200 afterwards.
    answers: VecDeque<u16>,
}

pub struct Receiver {
    pub url: String,
    inbox: Arc<Mutex<Inbox>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let inbox: Arc<Mutex<Inbox>> = Arc::default();
        let app = Router::new().route("/hook", post(take)).with_state(inbox.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inbox }
    }

    pub fn answer_next(&self, answers: &[u16]) {
        self.inbox.lock().unwrap().answers.extend(answers);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inbox.lock().unwrap().received.clone()
    }

    /// Waits for so many webhooks.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        crate::stage::until("the webhooks have come", async || self.received().len() >= count).await;
        self.received()
    }
}

async fn take(
    State(inbox): State<Arc<Mutex<Inbox>>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> StatusCode {
    let mut inbox = inbox.lock().unwrap();
    inbox.received.push(Received { headers, body: body.to_vec() });
    StatusCode::from_u16(inbox.answers.pop_front().unwrap_or(200)).unwrap()
}

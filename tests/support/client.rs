//! The front door: HTTP as a shop's back end speaks it.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

/// A shop that acts for one customer.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub base: String,
    pub token: String,
    pub customer: String,
}

/// An HTTP client that gives up idle connections before the server does, after ten seconds: a request that meets the
/// server's farewell on its way would fail.
fn http_client() -> reqwest::Client {
    reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(4)).build().unwrap()
}

/// A status code, headers and a body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// A string of the body.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {self:?}"))
    }

    /// What it says of an order, but for what is left of its hold: that is less at every look.
    pub fn lasting(&self) -> Value {
        let mut body = self.body.clone();
        body.as_object_mut().unwrap().remove("expires_in_ms");
        body
    }

    /// The end of a problem's `type`.
    pub fn problem(&self) -> &str {
        let is_problem =
            self.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json");
        assert!(is_problem, "no problem: {self:?}");
        self.text("type").strip_prefix("urn:holdfast:problem:").unwrap()
    }

    /// Fails the test unless it is a 429 of this kind that says when to come again.
    pub fn asks_to_wait(&self, problem: &str) {
        assert_eq!((self.status, self.problem()), (429, problem), "{self:?}");
        let seconds: u64 = self.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{self:?}");
    }
}

impl Client {
    pub fn new(base: &str, token: &str) -> Self {
        let (base, token) = (base.to_owned(), token.to_owned());
        Self { http: http_client(), base, token, customer: "alice".to_owned() }
    }

    /// The same shop for another customer.
    pub fn as_customer(&self, customer: &str) -> Self {
        Self { customer: customer.to_owned(), ..self.clone() }
    }

    /// The same customer with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same caller at another API.
    pub fn with_base(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// A request with the usual headers.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
            .header("Holdfast-Customer", &self.customer)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// A POST that waits for its outcome, with a key of its own.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(&Uuid::now_v7().to_string(), path, body).await
    }

    /// A POST that waits for its outcome, under this key.
    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).header("Idempotency-Key", key);
        self.send(request.header("Prefer", "wait=30").json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// What the process tells of itself.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.body.as_str().unwrap().to_owned()
    }

    /// What a counter of the process has come to, all its series together.
    pub async fn counted(&self, counter: &str) -> usize {
        let metrics = self.metrics().await;
        let series = metrics.lines().filter(|line| line.starts_with(&format!("{counter}{{")));
        series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()).sum()
    }

    /// Makes a SKU that costs 1,000 won.
    pub async fn stock(&self, sku: &str, on_hand: i64) {
        let definition = json!({"name": format!("The {sku}"), "price_won": 1_000, "on_hand": on_hand});
        let path = format!("/v1/skus/{sku}");
        let mut answer = self.put(&path, &definition).await;
        while [412, 428].contains(&answer.status) {
            let tag = self.get(&path).await.headers["etag"].clone();
            let request = self.request(Method::PUT, &path).header("If-Match", tag);
            answer = self.send(request.json(&definition)).await;
        }
        assert!([200, 201].contains(&answer.status), "{answer:?}");
    }

    /// A change of a SKU.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// Places an order for one SKU and waits for the outcome.
    pub async fn place(&self, sku: &str, quantity: i64, hold_seconds: i64) -> Answer {
        let items = json!([{"sku": sku, "quantity": quantity}]);
        self.post("/v1/orders", &json!({"items": items, "hold_seconds": hold_seconds})).await
    }

    /// Places an order without waiting; returns the answer.
    pub async fn place_async(&self, key: &str, sku: &str, quantity: i64, hold_seconds: i64) -> Answer {
        let body = json!({"items": [{"sku": sku, "quantity": quantity}], "hold_seconds": hold_seconds});
        let request = self.request(Method::POST, "/v1/orders").header("Idempotency-Key", key);
        self.send(request.json(&body)).await
    }

    /// Places an order for one unit that waits in line if there is none; does not wait for the answer.
    pub async fn place_in_line_async(&self, sku: &str) -> Answer {
        let body = json!({"items": [{"sku": sku, "quantity": 1}], "on_shortage": "wait"});
        let key = Uuid::now_v7().to_string();
        self.send(self.request(Method::POST, "/v1/orders").header("Idempotency-Key", key).json(&body)).await
    }

    /// Places an order for one unit and waits up to so many seconds for the outcome.
    pub async fn place_waiting(&self, key: &str, sku: &str, wait_seconds: u64) -> Answer {
        let body = json!({"items": [{"sku": sku, "quantity": 1}]});
        let request = self.request(Method::POST, "/v1/orders").header("Idempotency-Key", key);
        self.send(request.header("Prefer", format!("wait={wait_seconds}")).json(&body)).await
    }

    pub async fn order(&self, id: &str) -> Answer {
        self.get(&format!("/v1/orders/{id}")).await
    }

    pub async fn status(&self, id: &str) -> String {
        self.order(id).await.text("status").to_owned()
    }

    /// Waits until an order has this status.
    pub async fn until(&self, id: &str, status: &str) {
        super::eventually(&format!("order {id} becomes {status}"), async || {
            (self.status(id).await == status).then_some(())
        })
        .await;
    }

    pub async fn charge(&self, amount_won: i64) -> Answer {
        self.post("/v1/wallet/charges", &json!({"amount_won": amount_won})).await
    }

    pub async fn pay(&self, id: &str) -> Answer {
        self.post(&format!("/v1/orders/{id}/payments"), &json!({"method": "wallet"})).await
    }

    pub async fn available(&self, sku: &str) -> i64 {
        self.get(&format!("/v1/skus/{sku}")).await.body["available"].as_i64().unwrap()
    }
}

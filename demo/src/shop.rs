//! The shop of the story, which speaks to Holdfast and to the payment simulator over HTTP.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) struct Shop {
    pub(crate) http: Client,
    pub(crate) url: String,
    pub(crate) token: String,
    /// Makes names of this run different from those of earlier ones.
    pub(crate) run: String,
}

impl Shop {
    pub(crate) async fn call(
        &self,
        who: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> anyhow::Result<(u16, Value)> {
        let request = self
            .http
            .request(method.clone(), format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header("Holdfast-Customer", format!("{who}-{}", self.run))
            .header("Idempotency-Key", Uuid::new_v4().to_string())
            .header("Prefer", "wait=10");
        let request = if method == Method::GET { request } else { request.json(&body) };
        let response = request.send().await.with_context(|| format!("no answer from {}", self.url))?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    pub(crate) async fn order(
        &self,
        who: &str,
        sku: &str,
        hold_seconds: u64,
    ) -> anyhow::Result<(u16, Value)> {
        let body = json!({"items": [{"sku": sku, "quantity": 1}], "hold_seconds": hold_seconds});
        self.call(who, Method::POST, "/v1/orders", body).await
    }

    pub(crate) async fn status(&self, who: &str, order: &str) -> anyhow::Result<Value> {
        self.get(who, &format!("/v1/orders/{order}")).await
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> anyhow::Result<Value> {
        Ok(self.call(who, Method::GET, path, Value::Null).await?.1)
    }

    pub(crate) async fn post(&self, who: &str, path: &str, body: Value) -> anyhow::Result<(u16, Value)> {
        self.call(who, Method::POST, path, body).await
    }

    /// A control call to the payment simulator; nothing if none runs here.
    pub(crate) async fn simulator(&self, path: &str, body: Option<Value>) -> anyhow::Result<Option<Value>> {
        let Some(url) = std::env::var("HOLDFAST_SIMULATOR_URL").ok().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = self.http.request(method, format!("{url}/control/{path}"));
        let request = body.iter().fold(request, |request, body| request.json(body));
        Ok(Some(request.send().await?.error_for_status()?.json().await?))
    }

    /// The buyer agrees at the gateway to pay for something. Nothing if there is no gateway.
    pub(crate) async fn card(&self, what: &str, amount_won: i64) -> anyhow::Result<Option<Value>> {
        let agreed = self.simulator("payments", Some(json!({"orderId": what, "amount": amount_won}))).await?;
        Ok(agreed.map(|payment| json!({"payment_key": payment["paymentKey"], "amount_won": amount_won})))
    }

    /// What the gateway took for something and did not give back.
    pub(crate) async fn taken(&self, what: &str) -> anyhow::Result<Value> {
        let books = self.simulator("books", None).await?.context("no simulator runs here")?;
        let mut payments = books["payments"].as_array().into_iter().flatten();
        Ok(payments.find(|payment| payment["orderId"] == what).cloned().unwrap_or_default())
    }
}

/// Tells a step of the story.
pub(crate) fn say(step: u32, text: &str) {
    println!("{step}. {text}");
}

/// The id of an order or a charge.
pub(crate) fn id(order: &Value) -> anyhow::Result<&str> {
    order["id"].as_str().context("the order has no id")
}

/// An instant of an answer.
pub(crate) fn instant(value: &Value) -> anyhow::Result<DateTime<Utc>> {
    Ok(value.as_str().context("the order has no such time")?.parse()?)
}

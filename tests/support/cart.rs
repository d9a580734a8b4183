//! Carts at the front door.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};

impl Client {
    /// Puts so many of a SKU into the cart.
    pub async fn put_in(&self, sku: &str, quantity: i64) -> Answer {
        self.put(&format!("/v1/cart/items/{sku}"), &json!({"quantity": quantity})).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// The SKUs in the cart and how many there are of each.
    pub async fn cart(&self) -> Vec<(String, i64)> {
        in_cart(&self.get("/v1/cart").await)
    }

    /// Checks out and waits for the outcome.
    pub async fn check_out(&self, key: &str) -> Answer {
        self.post_as(key, "/v1/cart/checkout", &json!({})).await
    }

    /// Checks out without waiting.
    pub async fn check_out_async(&self, key: &str) -> Answer {
        let request = self.request(Method::POST, "/v1/cart/checkout").header("Idempotency-Key", key);
        self.send(request.json(&json!({}))).await
    }
}

/// The SKUs in a cart that was answered, in its order.
pub fn in_cart(answer: &Answer) -> Vec<(String, i64)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.body["items"].as_array().unwrap().iter();
    items.map(|item| (item["sku"].as_str().unwrap().to_owned(), item["quantity"].as_i64().unwrap())).collect()
}

/// What a cart should have.
pub fn items(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(sku, quantity)| ((*sku).to_owned(), *quantity)).collect()
}

/// Somebody without a token.
pub struct Guest {
    http: reqwest::Client,
    shop: Client,
    pub secret: String,
}

impl Guest {
    /// A new guest of the shop of this client.
    pub async fn new(shop: &Client) -> Self {
        let http = reqwest::Client::new();
        let made = shop.send(http.post(format!("{}/v1/cart/guests", shop.base))).await;
        assert_eq!((made.status, &made.headers["cache-control"]), (201, &"no-store".parse().unwrap()));
        Self { http, shop: shop.clone(), secret: made.text("guest").to_owned() }
    }

    /// The same guest, who shows this secret.
    pub fn showing(self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self }
    }

    /// Calls with nothing but the secret.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.shop.base));
        let request = request.header("Holdfast-Guest", &self.secret).header("Idempotency-Key", "a-key");
        self.shop.send(body.iter().fold(request, |request, body| request.json(body))).await
    }

    pub async fn put_in(&self, sku: &str, quantity: i64) -> Answer {
        let body = json!({"quantity": quantity});
        self.call(Method::PUT, &format!("/v1/cart/items/{sku}"), Some(body)).await
    }

    pub async fn cart(&self) -> Vec<(String, i64)> {
        in_cart(&self.call(Method::GET, "/v1/cart", None).await)
    }

    /// The cart as a shop's own server sees it, which acts for its guests.
    pub async fn by_shop(&self) -> Vec<(String, i64)> {
        let request = self.http.get(format!("{}/v1/cart", self.shop.base)).bearer_auth(&self.shop.token);
        in_cart(&self.shop.send(request.header("Holdfast-Guest", &self.secret)).await)
    }

    /// The same put in by that server.
    pub async fn put_in_by_shop(&self, sku: &str, quantity: i64) -> Answer {
        let request = self.http.put(format!("{}/v1/cart/items/{sku}", self.shop.base));
        let request = request.bearer_auth(&self.shop.token).header("Holdfast-Guest", &self.secret);
        self.shop.send(request.json(&json!({"quantity": quantity}))).await
    }

    /// Signs in as this customer.
    pub async fn merge_into(&self, customer: &Client) -> Answer {
        let request = customer.request(Method::POST, "/v1/cart/merge");
        customer.send(request.header("Holdfast-Guest", &self.secret)).await
    }
}

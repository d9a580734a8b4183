//! Carts at the front door.

use reqwest::Method;
use serde_json::json;

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

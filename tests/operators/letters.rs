//! Dead letters as these tests make them and look at them.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use holdfast::store::operators::tokens::Role;

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

/// A dead letter to put into the table.
#[derive(Debug, Clone)]
pub struct Letter {
    pub queue: &'static str,
    pub class: &'static str,
    pub error: String,
    pub body: Vec<u8>,
    pub customer: Option<&'static str>,
    pub skus: Vec<&'static str>,
    pub order: Option<Uuid>,
    pub minutes_ago: i32,
}

impl Default for Letter {
    fn default() -> Self {
        Self {
            queue: "order.cancel",
            class: "gave_up",
            error: "the order is not known yet after 8 retries".to_owned(),
            body: b"{}".to_vec(),
            customer: None,
            skus: vec![],
            order: None,
            minutes_ago: 0,
        }
    }
}

impl Letter {
    /// Puts it there; returns its id.
    pub async fn put(&self, world: &World) -> String {
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO dead_letters (id, message_id, queue, message_type, order_id, customer_id, skus, error_class,
                                       error_text, attempts, body, headers, first_died_at, last_died_at)
             VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, 9, $9,
                     '{\"traceparent\": \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}',
                     now() - make_interval(mins => $10), now() - make_interval(mins => $10))",
        )
        .bind(id)
        .bind(Uuid::now_v7().to_string())
        .bind(self.queue)
        .bind(self.order)
        .bind(self.customer)
        .bind(&self.skus)
        .bind(self.class)
        .bind(&self.error)
        .bind(&self.body)
        .bind(self.minutes_ago)
        .execute(&world.pool)
        .await
        .unwrap();
        id.to_string()
    }
}

/// A command to hold one mug, as it lies in its queue.
pub fn hold_body(order: Uuid, customer: &str, quantity: i64) -> Vec<u8> {
    let body = json!({
        "version": 1, "order_id": order, "customer_id": customer, "hold_seconds": 600,
        "items": [{"sku": "mug", "quantity": quantity}], "fingerprint": Uuid::from_u128(1),
    });
    body.to_string().into_bytes()
}

/// An operator at an API of this world.
pub async fn operator(world: &World) -> Client {
    let shop = world.start_api().await;
    Client::new(&shop.base, &world.token(Role::Operator, None).await)
}

pub async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.send(client.request(Method::POST, path).json(body)).await
}

/// The ids of what a filter finds.
pub async fn found(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/v1/ops/dead-letters?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let letters = answer.body["letters"].as_array().unwrap().iter();
    letters.map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits for the end of a replay.
pub async fn ended(client: &Client, id: &str) -> Value {
    eventually("the replay ends", async || {
        let replay = client.get(&format!("/v1/ops/replays/{id}")).await.body;
        (replay["status"] != "running").then_some(replay)
    })
    .await
}

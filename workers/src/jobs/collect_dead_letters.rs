//! `<queue>.dead`: moves dead letters into their table, where people find them.

use std::collections::HashSet;

use holdfast::broker::envelope::death::DeathCause;
use holdfast::broker::envelope::{Incoming, X_ERROR_CLASS, X_ERROR_TEXT, X_REPLAY};
use holdfast::domain::ids::OrderId;
use holdfast::domain::items::MAX_ITEMS;
use holdfast::store::dead_letters::{self, NewDeadLetter};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use metrics::counter;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::engine::counted_at_commit;
use crate::engine::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker};

/// Namespace of ids made for messages that came without one.
const NAMESPACE: Uuid = Uuid::from_u128(0x3c53_6f2e_9a41_4d0d_8a0b_5b4d_2a8e_6c19);
/// A text longer than this is cut: it comes from whoever published the message.
const MAX_TEXT_CHARS: usize = 2_000;
/// What is looked for by an index is cut shorter: PostgreSQL takes no row of one above 2,704 bytes.
const MAX_KEY_CHARS: usize = 200;
/// Bytes of bodies in one batch, or one body.
const BATCH_BYTES: usize = 8 << 20;

/// The worker, one for each queue of dead letters.
#[derive(Debug, Clone)]
pub struct CollectDeadLetters {
    /// The queue it reads.
    pub queue: String,
}

impl Worker for CollectDeadLetters {
    type Message = NewDeadLetter;

    fn queue(&self) -> String {
        self.queue.clone()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 100, weight: BATCH_BYTES, prefetch: 100 }
    }

    fn weight(&self, message: &NewDeadLetter) -> usize {
        message.body.len()
    }

    /// Takes everything as it is: there is no further place for what cannot be read here.
    fn read(&self, incoming: &Incoming) -> Result<NewDeadLetter, Verdict> {
        let properties = &incoming.properties;
        let text = |value: &Option<ShortString>| value.as_ref().map(|text| storable(text.as_str()));
        let death = DeathCause::of(incoming);
        let body: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
        Ok(NewDeadLetter {
            message_id: text(properties.message_id())
                .unwrap_or_else(|| Uuid::new_v5(&NAMESPACE, &incoming.body).to_string()),
            queue: death.queue,
            message_type: properties.kind().as_ref().map_or_else(|| key(""), |kind| key(kind.as_str())),
            order_id: order_of(incoming, &body),
            customer_id: body.get("customer_id").and_then(Value::as_str).map(key),
            skus: skus_of(&body),
            error_class: key(&death.class),
            error_text: storable(&death.text),
            attempts: i32::try_from(incoming.attempt + 1).unwrap_or(i32::MAX),
            replay_count: match incoming.header(X_REPLAY) {
                Some(AMQPValue::LongInt(count)) => (*count).max(0),
                _ => 0,
            },
            body: incoming.body.clone(),
            headers: properties.headers().as_ref().map_or(json!({}), table_json),
        })
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<NewDeadLetter>],
    ) -> Result<Applied, ApplyError> {
        // A second copy of one message in a batch is a second copy of the same death. Others may share its id.
        let mut seen = HashSet::new();
        let mut letters = vec![];
        for Delivered { message: letter, .. } in batch {
            if seen.insert((&letter.queue, &letter.message_id, &letter.body)) {
                letters.push(letter.clone());
            }
        }
        dead_letters::collect(tx, &letters).await?;
        for letter in &letters {
            counted_at_commit::count(
                counter!("holdfast_dead_letters_total", "queue" => letter.queue.clone()),
                1,
            );
        }
        Ok(Applied { verdicts: vec![Verdict::Done; batch.len()], ..Applied::default() })
    }
}

/// The order a dead letter is about: from its properties, else from its body if that can be read.
fn order_of(incoming: &Incoming, body: &Value) -> Option<OrderId> {
    let stated =
        incoming.properties.correlation_id().as_ref().and_then(|id| id.as_str().parse::<Uuid>().ok());
    let read = || body.get("order_id")?.as_str()?.parse::<Uuid>().ok();
    stated.or_else(read).map(OrderId::from)
}

/// The SKUs that a body names, no more of them than an order may have.
fn skus_of(body: &Value) -> Vec<String> {
    let items = body.get("items").and_then(Value::as_array);
    let named = items.into_iter().flatten().filter_map(|item| item.get("sku")?.as_str());
    named.take(MAX_ITEMS).map(key).collect()
}

/// The text without NUL, which PostgreSQL refuses, and cut to a bearable length.
fn storable(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// A text that letters are found by: without blanks around it, which no filter has, and never empty.
fn key(text: &str) -> String {
    let text: String = storable(text.trim()).chars().take(MAX_KEY_CHARS).collect();
    if text.is_empty() { "unknown".to_owned() } else { text }
}

fn table_json(table: &FieldTable) -> Value {
    let fields: Map<String, Value> = table
        .inner()
        .iter()
        .filter(|(name, _)| ![X_ERROR_CLASS, X_ERROR_TEXT].contains(&name.as_str()))
        .map(|(name, value)| (storable(name.as_str()), value_json(value)))
        .collect();
    Value::Object(fields)
}

fn value_json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => json!(value),
        AMQPValue::ShortShortInt(value) => json!(value),
        AMQPValue::ShortShortUInt(value) => json!(value),
        AMQPValue::ShortInt(value) => json!(value),
        AMQPValue::ShortUInt(value) => json!(value),
        AMQPValue::LongInt(value) => json!(value),
        AMQPValue::LongUInt(value) => json!(value),
        AMQPValue::LongLongInt(value) => json!(value),
        AMQPValue::Timestamp(value) => json!(value),
        AMQPValue::ShortString(text) => json!(storable(text.as_str())),
        AMQPValue::LongString(text) => json!(storable(&String::from_utf8_lossy(text.as_bytes()))),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(value_json).collect(),
        AMQPValue::FieldTable(table) => table_json(table),
        AMQPValue::Void => Value::Null,
        other => json!(storable(&format!("{other:?}"))),
    }
}

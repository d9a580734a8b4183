//! How a dead letter died: what its headers say, ours or the broker's.

use lapin::types::{AMQPValue, FieldTable};

use super::{Incoming, X_ERROR_CLASS, X_ERROR_TEXT};
use crate::broker::topology::{DEAD_SUFFIX, UNROUTABLE_DEAD};
use crate::message::Queue;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeathCause {
    /// The queue it died in.
    pub queue: String,
    /// What kind of error.
    pub class: String,
    /// The error in words.
    pub text: String,
}

impl DeathCause {
    /// The death of a message that was read from a queue of dead letters.
    pub fn of(incoming: &Incoming) -> DeathCause {
        let own = incoming.queue.strip_suffix(DEAD_SUFFIX).unwrap_or(&incoming.queue).to_owned();
        if let Some(class) = incoming.header_text(X_ERROR_CLASS) {
            let text = incoming.header_text(X_ERROR_TEXT).unwrap_or_else(|| "without a reason".to_owned());
            return DeathCause { queue: own, class, text };
        }
        // Without a class of ours the broker itself gave up: the message took its worker down every time. It comes under
        // the key it was published with, and one that is no name of a queue brings it to where the unroutable go.
        if let Some((queue, reason)) = set_aside(incoming) {
            return DeathCause {
                queue: queue.to_string(),
                class: reason,
                text: "set aside by the broker".to_owned(),
            };
        }
        let text = match incoming.queue.as_str() {
            UNROUTABLE_DEAD => format!("no queue takes the routing key {}", incoming.routing_key),
            _ => "published to a queue of dead letters".to_owned(),
        };
        DeathCause { queue: own, class: "unroutable".to_owned(), text }
    }
}

/// The command queue that last let the message go as dead, and why.
fn set_aside(incoming: &Incoming) -> Option<(Queue, String)> {
    let AMQPValue::FieldArray(deaths) = incoming.header("x-death")? else { return None };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else { return None };
    Some((Queue::from_name(&text(last, "queue")?)?, text(last, "reason")?))
}

fn text(table: &FieldTable, name: &str) -> Option<String> {
    match table.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

//! What surrounds a body on its way: properties and headers.

pub mod death;

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use uuid::Uuid;

use super::delay::Rung;
use super::topology::{DEAD, DEAD_SUFFIX, EVENTS, STRAIGHT_TO_QUEUE, UNREADABLE};
use crate::domain::ids::OrderId;
use crate::message::{Command, Queue, encode};
use crate::telemetry::trace_parent::TraceParent;
use death::DeathCause;

/// How often a message was tried before. RabbitMQ 4 ignores a republished `x-death`, so the count is our own.
pub const X_ATTEMPT: &str = "x-attempt";
/// How often a message alone could not be done in time.
pub const X_SLOW: &str = "x-slow";
/// What kind of error made a message a dead letter.
pub const X_ERROR_CLASS: &str = "x-error-class";
/// That error in words.
pub const X_ERROR_TEXT: &str = "x-error-text";
/// How often an operator replayed a message.
pub const X_REPLAY: &str = "x-replay";
/// W3C trace context, kept through retries and replays.
pub const TRACEPARENT: &str = "traceparent";

/// An error text longer than this is cut.
const MAX_ERROR_CHARS: usize = 2_000;
/// A trace context is 55 bytes; some vendors write more, nobody this much.
pub const MAX_TRACE_BYTES: usize = 255;

/// A message to publish.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub(crate) exchange: Cow<'static, str>,
    pub(crate) routing_key: String,
    pub(crate) mandatory: bool,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

impl Outgoing {
    /// A new command on its way to its queue, in the trace of what it comes of; without one it begins a trace.
    pub fn command<C: Command>(command: &C, now: DateTime<Utc>, traceparent: Option<&str>) -> Self {
        let mut headers = FieldTable::default();
        let trace = match traceparent {
            Some(trace) => long_string(trace),
            None => long_string(&TraceParent::fresh().to_string()),
        };
        headers.insert(TRACEPARENT.into(), trace);
        let mut properties = persistent(now)
            .with_message_id(short(&Uuid::now_v7().to_string()))
            .with_type(short(C::QUEUE.name()))
            .with_content_type("application/json".into())
            .with_headers(headers);
        if let Some(order_id) = command.order_id() {
            properties = properties.with_correlation_id(short(&order_id.to_string()));
        }
        Self {
            exchange: STRAIGHT_TO_QUEUE.into(),
            routing_key: C::QUEUE.name().to_owned(),
            mandatory: true,
            properties,
            body: encode(command),
        }
    }

    /// The same command, but on its queue's ladder first, one hop towards this delay.
    pub fn after(self, delay: Duration) -> Self {
        let rung = Rung::towards_name(&self.routing_key, delay);
        Self { exchange: rung.name().into(), ..self }
    }

    /// A received message back to its queue after a while, counted as one more attempt.
    pub fn retry(incoming: &Incoming, delay: Duration) -> Self {
        Self::again(incoming, incoming.attempt + 1, delay)
    }

    /// A received message back to its queue by its ladder, as one that was tried so often: one hop towards this delay.
    pub fn again(incoming: &Incoming, attempts: u32, delay: Duration) -> Self {
        Self::back(incoming, (X_ATTEMPT, attempts), delay)
    }

    /// A received message back to its queue after a while, as one that alone was too slow once more.
    pub fn slow(incoming: &Incoming, delay: Duration) -> Self {
        Self::back(incoming, (X_SLOW, incoming.slow_tries + 1), delay)
    }

    fn back(incoming: &Incoming, (counter, count): (&str, u32), delay: Duration) -> Self {
        let count = (counter, AMQPValue::LongInt(i32::try_from(count).unwrap_or(i32::MAX)));
        if incoming.is_dead_letter() {
            // No rung leads back to where dead letters are collected, and a dead letter must not come back to life: it goes
            // to the end of the queue, so that others have their turn.
            let DeathCause { class, text, .. } = DeathCause::of(incoming);
            return Self {
                exchange: STRAIGHT_TO_QUEUE.into(),
                ..Self::kept(incoming, &class, &text, Some(count))
            };
        }
        let properties = incoming.kept_properties().with_headers(incoming.headers_with([count]));
        let rung = Rung::towards_name(&incoming.queue, delay);
        let (routing_key, body) = (incoming.queue.clone(), incoming.body.clone());
        Self { exchange: rung.name().into(), routing_key, mandatory: true, properties, body }
    }

    /// A received message set aside for a person, with the reason. What nobody can set aside is parked.
    pub fn dead(incoming: &Incoming, error_class: &str, error_text: &str) -> Self {
        let exchange = if incoming.is_dead_letter() { UNREADABLE } else { DEAD };
        Self { exchange: exchange.into(), ..Self::kept(incoming, error_class, error_text, None) }
    }

    fn kept(incoming: &Incoming, class: &str, text: &str, count: Option<(&str, AMQPValue)>) -> Self {
        // An error may quote the body; headers above the size of a frame would cost us the channel, again and again.
        let cut = |text: &str| -> String { text.chars().take(MAX_ERROR_CHARS).collect() };
        let mut headers = incoming.headers_with([
            (X_ERROR_CLASS, long_string(&cut(class))),
            (X_ERROR_TEXT, long_string(&cut(text))),
        ]);
        if let Some((name, count)) = count {
            headers.insert(name.into(), count);
        }
        Self {
            exchange: DEAD.into(),
            routing_key: incoming.queue.clone(),
            mandatory: true,
            properties: incoming.kept_properties().with_headers(headers),
            body: incoming.body.clone(),
        }
    }

    /// A stored dead letter back to its queue: same message id and trace, attempts counted from zero.
    pub fn replay(letter: ReplayedLetter<'_>, now: DateTime<Utc>) -> Self {
        let mut headers = FieldTable::default();
        headers.insert(X_REPLAY.into(), AMQPValue::LongInt(letter.replay_count));
        if let Some(trace) = letter.traceparent {
            headers.insert(TRACEPARENT.into(), long_string(trace));
        }
        let mut properties = persistent(now)
            .with_message_id(short(letter.message_id))
            .with_type(short(letter.message_type))
            .with_content_type("application/json".into())
            .with_headers(headers);
        if let Some(order_id) = letter.order_id {
            properties = properties.with_correlation_id(short(&order_id.to_string()));
        }
        Self {
            exchange: STRAIGHT_TO_QUEUE.into(),
            routing_key: letter.queue.name().to_owned(),
            mandatory: true,
            properties,
            body: letter.body.to_vec(),
        }
    }

    /// Where it goes: the queue, or the exchange before it.
    pub(crate) fn target(&self) -> &str {
        if self.exchange == STRAIGHT_TO_QUEUE { &self.routing_key } else { &self.exchange }
    }

    /// A batch of facts for whoever listens; nobody listening is no fault.
    pub fn events(routing_key: &str, body: Vec<u8>, now: DateTime<Utc>) -> Self {
        Self {
            exchange: EVENTS.into(),
            routing_key: routing_key.to_owned(),
            mandatory: false,
            properties: persistent(now).with_content_type("application/cloudevents-batch+json".into()),
            body,
        }
    }
}

impl Outgoing {
    /// Where it goes, for logs: its exchange and its key.
    pub fn destination(&self) -> String {
        format!("{}/{}", self.exchange, self.routing_key)
    }
}

/// What of a stored dead letter goes back into its queue.
#[derive(Debug, Clone, Copy)]
pub struct ReplayedLetter<'a> {
    pub queue: Queue,
    pub message_id: &'a str,
    pub message_type: &'a str,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    pub traceparent: Option<&'a str>,
    /// How often it was replayed, this time included.
    pub replay_count: i32,
    pub body: &'a [u8],
}

/// A message as it came from a queue.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The queue it was read from. Its routing key may be another: strangers bind and copy as they like.
    pub queue: String,
    /// The key it was published with.
    pub routing_key: String,
    pub delivery_tag: u64,
    /// Retries before this delivery.
    pub attempt: u32,
    /// How often it could not be done in time alone before.
    pub slow_tries: u32,
    /// Everything beside the body.
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

impl Incoming {
    /// Takes a delivery of a queue apart. A forged count is no number of ours and counts as none.
    pub fn new(delivery: Delivery, queue: &str) -> Self {
        let mut incoming = Self {
            queue: queue.to_owned(),
            routing_key: delivery.routing_key.to_string(),
            delivery_tag: delivery.delivery_tag,
            attempt: 0,
            slow_tries: 0,
            properties: delivery.properties,
            body: delivery.data,
        };
        incoming.attempt = incoming.count(X_ATTEMPT);
        incoming.slow_tries = incoming.count(X_SLOW);
        incoming
    }

    fn count(&self, header: &str) -> u32 {
        match self.header(header) {
            Some(AMQPValue::LongInt(count)) => u32::try_from(*count).unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether it has died, and waits to be collected.
    pub fn is_dead_letter(&self) -> bool {
        self.queue.ends_with(DEAD_SUFFIX)
    }

    pub fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }

    /// A header's text, if it is one.
    pub fn header_text(&self, name: &str) -> Option<String> {
        match self.header(name)? {
            AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            _ => None,
        }
    }

    /// When it came into the queue it was read from, in whole seconds of its publisher's or the broker's clock: when it
    /// was published, or when a delay rung let it go. A stranger's may not say, and a dead letter keeps the time of the
    /// message that died.
    pub fn queued_at_seconds(&self) -> Option<u64> {
        if self.header(X_ERROR_CLASS).is_some() {
            return None;
        }
        let let_go = match self.header("x-death") {
            Some(AMQPValue::FieldArray(deaths)) => deaths.as_slice().first().and_then(|death| match death {
                AMQPValue::FieldTable(death) => match death.inner().get("time") {
                    Some(AMQPValue::Timestamp(seconds)) => Some(*seconds),
                    _ => None,
                },
                _ => None,
            }),
            _ => None,
        };
        (*self.properties.timestamp()).max(let_go)
    }

    /// The trace it belongs to.
    pub fn trace(&self) -> Option<TraceParent> {
        match self.header(TRACEPARENT)? {
            AMQPValue::LongString(text) => TraceParent::parse(std::str::from_utf8(text.as_bytes()).ok()?),
            _ => None,
        }
    }

    /// The message's id, for logs.
    pub fn message_id(&self) -> &str {
        self.properties.message_id().as_ref().map_or("-", ShortString::as_str)
    }

    /// The properties that are kept when the message is published again. The others belong to its first sender:
    /// another user's `user_id` would close our channel, an `expiration` would let a dead letter vanish.
    fn kept_properties(&self) -> BasicProperties {
        let theirs = &self.properties;
        let mut kept = BasicProperties::default().with_delivery_mode(2).with_app_id("holdfast".into());
        if let Some(id) = theirs.message_id() {
            kept = kept.with_message_id(id.clone());
        }
        if let Some(id) = theirs.correlation_id() {
            kept = kept.with_correlation_id(id.clone());
        }
        if let Some(kind) = theirs.kind() {
            kept = kept.with_type(kind.clone());
        }
        if let Some(content_type) = theirs.content_type() {
            kept = kept.with_content_type(content_type.clone());
        }
        if let Some(timestamp) = theirs.timestamp() {
            kept = kept.with_timestamp(*timestamp);
        }
        kept
    }

    /// The headers that are kept when the message is published again, if they are what we write: `x-death` is the
    /// broker's own and would look like a cycle to it, and a stranger's may be of any size.
    fn headers_with<const N: usize>(&self, added: [(&str, AMQPValue); N]) -> FieldTable {
        let mut headers = FieldTable::default();
        for (name, value) in self.properties.headers().iter().flat_map(|headers| headers.inner()) {
            let keep = match (name.as_str(), value) {
                (X_ATTEMPT | X_SLOW | X_REPLAY, AMQPValue::LongInt(_)) => true,
                (TRACEPARENT, AMQPValue::LongString(trace)) => trace.as_bytes().len() <= MAX_TRACE_BYTES,
                _ => false,
            };
            if keep {
                headers.insert(name.clone(), value.clone());
            }
        }
        for (name, value) in added {
            headers.insert(name.into(), value);
        }
        headers
    }
}

fn persistent(now: DateTime<Utc>) -> BasicProperties {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    BasicProperties::default().with_delivery_mode(2).with_app_id("holdfast".into()).with_timestamp(seconds)
}

fn long_string(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// A short string of AMQP holds 255 bytes; ours are ids and names far below.
fn short(text: &str) -> ShortString {
    text.into()
}

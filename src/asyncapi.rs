//! The AsyncAPI document: what travels through the broker, for those who publish or listen without our API.

mod schemas;

use serde_json::{Map, Value, json};

use self::schemas::Schemas;
use crate::broker::envelope::MAX_TRACE_BYTES;
use crate::broker::topology::{COMMANDS, EVENTS};
use crate::event::OrderEvent;
use crate::message::{
    CancelOrder, ChargeWallet, ConfirmPayment, ExpireOrders, ExtendHold, HoldOrder, MAX_BODY_BYTES, Queue,
    RefundOrder, ReportOrder, ResolvePayment, ResolveRefund, SendMail,
};

/// The document, AsyncAPI 3.0.
pub fn document() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    let mut schemas = Schemas::default();
    for queue in Queue::ALL {
        let name = queue.name();
        channels.insert(name.to_owned(), command_channel(queue));
        messages.insert(name.to_owned(), command_message(queue, &mut schemas));
        operations.insert(
            format!("apply {name}"),
            json!({
                "action": "receive", "channel": {"$ref": format!("#/channels/{name}")},
                "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
            }),
        );
    }
    channels.insert(EVENTS.to_owned(), events_channel());
    messages.insert("facts".to_owned(), facts_message(&mut schemas));
    operations.insert(
        "relay facts".to_owned(),
        json!({
            "action": "send", "channel": {"$ref": format!("#/channels/{EVENTS}")},
            "messages": [{"$ref": format!("#/channels/{EVENTS}/messages/facts")}],
        }),
    );
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast", "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "Commands and facts on RabbitMQ. Bodies are JSON of at most {MAX_BODY_BYTES} bytes; \
                 unknown fields are ignored."
            ),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas.into_value()},
    })
}

fn command_channel(queue: Queue) -> Value {
    let name = queue.name();
    json!({
        "address": name,
        "messages": {name: {"$ref": format!("#/components/messages/{name}")}},
        "bindings": {"amqp": {
            "is": "queue", "queue": {"name": name, "durable": true}, "bindingVersion": "0.3.0",
        }},
        "description": format!(
            "Published to the exchange `{COMMANDS}` with this routing key, as `mandatory` and with publisher confirms: a \
             nack says that the queue is full. What no queue takes becomes a dead letter of class `unroutable`."
        ),
    })
}

fn events_channel() -> Value {
    json!({
        "address": "order",
        "messages": {"facts": {"$ref": "#/components/messages/facts"}},
        "bindings": {"amqp": {
            "is": "routingKey", "exchange": {"name": EVENTS, "type": "topic", "durable": true},
            "bindingVersion": "0.3.0",
        }},
        "description": "Bind a queue of your own. Facts of one order come in order, each at least once.",
    })
}

fn command_message(queue: Queue, schemas: &mut Schemas) -> Value {
    let headers = json!({"type": "object", "properties": {
        "traceparent": {
            "type": "string", "maxLength": MAX_TRACE_BYTES, "description": "May be set: W3C trace context, kept to the end",
        },
        "x-attempt": {"type": "integer", "description": "Ours: retries before this delivery"},
        "x-slow": {"type": "integer", "description": "Ours: how often it alone could not be done in time"},
        "x-replay": {"type": "integer", "description": "Ours: how often an operator sent it again"},
    }});
    json!({
        "name": queue.name(), "contentType": "application/json", "headers": headers, "payload": payload(queue, schemas),
        "description": PROPERTIES,
        "bindings": {"amqp": {"messageType": queue.name(), "bindingVersion": "0.3.0"}},
    })
}

/// What publishers must and may set.
const PROPERTIES: &str = "\
    Must be set: `delivery_mode` 2 and a `message_id` of its own, such as a UUID, under which its dead letter is found. \
    May be set: `correlation_id` (the order, a UUID), `type` (the queue's name), `timestamp`, `content_type`. \
    Everything else is dropped when the message is tried again. `expiration` and `CC` are obeyed by the broker, and better \
    left out: an expired command is a dead letter, and each copy is a command of the queue it came into. \
    A message is known by its queue, its id and its body: the same three again are the same message, and another body \
    under the same id is another one. What makes a command safe to repeat are the ids in its body.";

/// The schema of a command's body.
fn payload(queue: Queue, schemas: &mut Schemas) -> Value {
    match queue {
        Queue::OrderHold => schemas.of::<HoldOrder>(),
        Queue::OrderExpire => schemas.of::<ExpireOrders>(),
        Queue::OrderCancel => schemas.of::<CancelOrder>(),
        Queue::OrderExtend => schemas.of::<ExtendHold>(),
        Queue::PaymentConfirm => schemas.of::<ConfirmPayment>(),
        Queue::PaymentResolve => schemas.of::<ResolvePayment>(),
        Queue::OrderRefund => schemas.of::<RefundOrder>(),
        Queue::RefundResolve => schemas.of::<ResolveRefund>(),
        Queue::WalletCharge => schemas.of::<ChargeWallet>(),
        Queue::MailSend => schemas.of::<SendMail>(),
        Queue::OrderReport => schemas.of::<ReportOrder>(),
    }
}

fn facts_message(schemas: &mut Schemas) -> Value {
    let kinds: Vec<String> = OrderEvent::KINDS.iter().map(|kind| format!("holdfast.{kind}")).collect();
    json!({
        "name": "facts",
        "contentType": "application/cloudevents-batch+json",
        "payload": {"type": "array", "maxItems": 100, "items": {
            "type": "object",
            "required": ["data", "id", "source", "specversion", "subject", "time", "type"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "description": "The fact's place in the event log"},
                "source": {"const": "/holdfast/orders"},
                "type": {"enum": kinds},
                "subject": {"type": "string", "format": "uuid", "description": "The order"},
                "time": {"type": "string", "format": "date-time"},
                "ordersequence": {"type": "integer", "minimum": 1, "description":
                    "The fact's place among those of its order: 1, 2, 3. One that is greater than the last by more than 1 \
                     came too early; one that is not greater came before. Missing in orders that an older version began."},
                "data": schemas.any_of::<OrderEvent>(),
            },
        }},
    })
}

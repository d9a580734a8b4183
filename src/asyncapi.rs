//! The AsyncAPI document: what travels through the broker, for those who publish or listen without our API.

use serde_json::{Map, Value, json};

use crate::broker::envelope::MAX_TRACE_BYTES;
use crate::broker::topology::{COMMANDS, EVENTS};
use crate::domain::items::{MAX_ITEMS, MAX_QUANTITY};
use crate::event::OrderEvent;
use crate::message::{MAX_BODY_BYTES, Queue};

/// The document, AsyncAPI 3.0.
pub fn document() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for queue in Queue::ALL {
        let name = queue.name();
        channels.insert(name.to_owned(), command_channel(queue));
        messages.insert(name.to_owned(), command_message(queue));
        operations.insert(
            format!("apply {name}"),
            json!({
                "action": "receive", "channel": {"$ref": format!("#/channels/{name}")},
                "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
            }),
        );
    }
    channels.insert(EVENTS.to_owned(), events_channel());
    messages.insert("facts".to_owned(), facts_message());
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
        "components": {"messages": messages},
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

fn command_message(queue: Queue) -> Value {
    let headers = json!({"type": "object", "properties": {
        "traceparent": {
            "type": "string", "maxLength": MAX_TRACE_BYTES, "description": "May be set: W3C trace context, kept to the end",
        },
        "x-attempt": {"type": "integer", "description": "Ours: retries before this delivery"},
        "x-slow": {"type": "integer", "description": "Ours: how often it alone could not be done in time"},
        "x-replay": {"type": "integer", "description": "Ours: how often an operator sent it again"},
    }});
    json!({
        "name": queue.name(), "contentType": "application/json", "headers": headers, "payload": payload(queue),
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

/// The schema of a command's body. A test holds it against what the code writes.
pub fn payload(queue: Queue) -> Value {
    let uuid = json!({"type": "string", "format": "uuid"});
    let version = json!({"const": 1});
    let properties = match queue {
        Queue::OrderHold => json!({
            "version": version, "order_id": uuid, "customer_id": {"type": "string", "maxLength": 64},
            "items": {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": {
                "type": "object", "required": ["quantity", "sku"], "properties": {
                    "sku": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY},
                },
            }},
            "hold_seconds": {"type": "integer", "minimum": 1, "maximum": 86_400},
            "fingerprint": uuid,
        }),
        Queue::OrderExpire => json!({
            "version": version, "due_at": {"type": "string", "format": "date-time"},
            "order_ids": {"type": "array", "items": uuid},
        }),
        Queue::OrderCancel => json!({"version": version, "command_id": uuid, "order_id": uuid}),
        Queue::PaymentConfirm => json!({
            "version": version, "command_id": uuid, "order_id": uuid,
            "pay_by": {"oneOf": [
                {"type": "object", "required": ["method"], "properties": {"method": {"const": "wallet"}}},
                card(&[("method", json!({"const": "card"}))]),
                {"type": "object", "required": ["method"], "properties": {
                    "method": {"const": "mixed"},
                    "wallet_won": won(), "points_won": won(),
                    "card": {"oneOf": [{"type": "null"}, card(&[])]},
                }},
            ]},
        }),
        Queue::OrderRefund => json!({
            "version": version, "command_id": uuid, "order_id": uuid,
            "asked": {"oneOf": [
                {"type": "object", "required": ["all"], "properties": {"all": {
                    "type": "object", "required": ["restock"], "properties": {"restock": {"type": "boolean"}},
                }}},
                {"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "items": {
                    "type": "object", "required": ["quantity", "restock", "sku"], "properties": {
                        "sku": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
                        "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY},
                        "restock": {"type": "boolean"},
                    },
                }}}},
            ]},
            "reason": {"type": "string", "maxLength": 200},
        }),
        Queue::RefundResolve => json!({"version": version, "refund_id": uuid, "order_id": uuid}),
        Queue::PaymentResolve => {
            json!({
                "version": version, "payment_id": uuid, "order_id": uuid, "is_hint": {"type": "boolean"},
                "stated": {"enum": ["captured", "not_taken", "returned", null]},
            })
        }
        Queue::WalletCharge => {
            json!({"version": version, "charge_id": uuid, "is_hint": {"type": "boolean"}})
        }
        Queue::MailSend | Queue::OrderReport => {
            json!({"version": version, "event_id": {"type": "integer"}, "order_id": uuid})
        }
        Queue::OrderExtend => json!({
            "version": version, "command_id": uuid, "order_id": uuid,
            "extend_seconds": {"type": "integer", "minimum": 1, "maximum": 86_400},
        }),
    };
    let mut required: Vec<String> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    required.sort_unstable();
    json!({"type": "object", "required": required, "properties": properties})
}

fn won() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// A payment that the buyer has authenticated at the gateway, with further properties.
fn card(further: &[(&str, Value)]) -> Value {
    let mut properties = json!({
        "payment_key": {"type": "string", "pattern": "^[A-Za-z0-9_=-]{1,200}$"}, "amount_won": won(),
    });
    for (name, schema) in further {
        properties[*name] = schema.clone();
    }
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn facts_message() -> Value {
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
                "data": {"type": "object"},
            },
        }},
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::{CommandId, CustomerId, Fingerprint, OrderId, SkuCode};
    use crate::domain::items::{HoldSeconds, Quantity, RequestedItem, RequestedItems};
    use crate::domain::refund::{Asked, RefundReason};
    use crate::message::{
        CancelOrder, ChargeWallet, Command, ConfirmPayment, ExpireOrders, ExtendHold, HoldOrder, PayBy,
        RefundOrder, ReportOrder, ResolvePayment, ResolveRefund, SendMail, Version, encode,
    };

    fn assert_described<C: Command>(command: &C) {
        let body: Value = serde_json::from_slice(&encode(command)).unwrap();
        let mut written: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        written.sort_unstable();
        assert_eq!(json!(written), payload(C::QUEUE)["required"], "{}", C::QUEUE);
    }

    #[test]
    fn every_field_of_every_command_is_described() {
        let (order_id, command_id) = (OrderId::from(Uuid::nil()), CommandId(Uuid::nil()));
        let sku = SkuCode::parse("mug").unwrap();
        let items = RequestedItems::parse(vec![RequestedItem { sku, quantity: Quantity::parse(1).unwrap() }]);
        assert_described(&HoldOrder {
            version: Version,
            order_id,
            customer_id: CustomerId::parse("alice").unwrap(),
            items: items.unwrap(),
            hold_seconds: HoldSeconds::STANDARD,
            fingerprint: Fingerprint(Uuid::nil()),
        });
        let due_at = chrono::DateTime::UNIX_EPOCH;
        assert_described(&ExpireOrders { version: Version, due_at, order_ids: vec![order_id] });
        assert_described(&CancelOrder { version: Version, command_id, order_id });
        assert_described(&ConfirmPayment { version: Version, command_id, order_id, pay_by: PayBy::Wallet });
        assert_described(&ResolvePayment::new(command_id, order_id));
        let asked = Asked::All { restock: true };
        let reason = RefundReason::default();
        assert_described(&RefundOrder { version: Version, command_id, order_id, asked, reason });
        assert_described(&ResolveRefund { version: Version, refund_id: command_id, order_id });
        assert_described(&ChargeWallet { version: Version, charge_id: command_id, is_hint: false });
        assert_described(&SendMail { version: Version, event_id: 1, order_id });
        assert_described(&ReportOrder { version: Version, event_id: 1, order_id });
        let extend_seconds = HoldSeconds::STANDARD;
        assert_described(&ExtendHold { version: Version, command_id, order_id, extend_seconds });
    }
}

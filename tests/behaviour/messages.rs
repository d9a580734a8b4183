//! Commands as they lie in their queues, for whoever reads them there.

use holdfast::asyncapi;
use holdfast::broker::connection::Connector;
use holdfast::message::Queue;
use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::World;

async fn get(world: &World, queue: Queue) -> BasicGetMessage {
    let connector = Connector::new(&world.amqp_url, "test get");
    let channel = connector.channel().await.unwrap();
    let options = BasicGetOptions { no_ack: true };
    let message = channel.basic_get(queue.name().into(), options).await.unwrap().expect("a message waits");
    connector.close().await;
    message
}

fn trace(message: &BasicGetMessage) -> Option<String> {
    match message.properties.headers().as_ref()?.inner().get("traceparent")? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_command_names_its_type_its_order_and_its_callers_trace() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let send = |path: &str, body: Value, parent: &str| {
        let request = shop.request(Method::POST, path).header("Idempotency-Key", "key-1");
        shop.send(request.header("traceparent", parent).json(&body))
    };
    let items = json!([{"sku": "mug", "quantity": 2}]);
    let whole = json!({"items": items, "expected_amount_won": 2_000, "on_shortage": "wait"});
    let accepted = send("/v1/orders", whole, parent).await;
    let order = format!("/v1/orders/{}", accepted.text("id"));
    send(&format!("{order}/cancel"), json!({}), parent).await;
    send(&format!("{order}/extend"), json!({"extend_seconds": 60}), parent).await;
    send(&format!("{order}/payments"), json!({"method": "wallet"}), parent).await;

    let document = asyncapi::document();
    for queue in [Queue::OrderHold, Queue::OrderCancel, Queue::OrderExtend, Queue::PaymentConfirm] {
        let message = get(&world, queue).await;
        let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(ToString::to_string);
        let properties = &message.properties;
        assert_eq!(text(properties.kind()).as_deref(), Some(queue.name()));
        assert_eq!(text(properties.correlation_id()).as_deref(), Some(accepted.text("id")));
        assert_eq!(text(properties.content_type()).as_deref(), Some("application/json"));
        assert_eq!(*properties.delivery_mode(), Some(2), "it must survive a restart of the broker");
        assert!(text(properties.message_id()).is_some_and(|id| id.parse::<uuid::Uuid>().is_ok()));
        assert!(properties.timestamp().is_some());
        assert_eq!(trace(&message).as_deref(), Some(parent));

        // What is written about the body is what is in it.
        let body: Value = serde_json::from_slice(&message.data).unwrap();
        let payload = document["components"]["messages"][queue.name()]["payload"]["$ref"].as_str().unwrap();
        let written = &document.pointer(payload.trim_start_matches('#')).unwrap()["properties"];
        let fields = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&body), fields(written), "{queue}");
        assert_eq!(json!([body["version"], body["order_id"]]), json!([1, accepted.body["id"]]));
    }

    world.finish().await;
}

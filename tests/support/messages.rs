//! Messages as they lie in a queue.

use holdfast::broker::connection::Connector;
use holdfast::broker::envelope::TRACEPARENT;
use holdfast::telemetry::trace_parent::TraceParent;
use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use lapin::types::{AMQPValue, FieldTable};

use super::eventually;
use super::world::World;

/// Takes one message out of a queue that nobody reads, as soon as there is one.
pub async fn take(world: &World, queue: &str) -> BasicGetMessage {
    let connector = Connector::new(&world.amqp_url, "test get");
    let channel = connector.channel().await.unwrap();
    let message = eventually(&format!("a message waits in {queue}"), async || {
        channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    })
    .await;
    connector.close().await;
    message
}

/// The trace a message belongs to.
pub fn trace_of(properties: &BasicProperties) -> Option<TraceParent> {
    match properties.headers().as_ref()?.inner().get(TRACEPARENT)? {
        AMQPValue::LongString(text) => TraceParent::parse(&text.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Publishes bytes that are no command of ours, in a trace.
pub async fn publish_in_trace(world: &World, queue: &str, trace: &str, body: &[u8]) {
    let connector = Connector::new(&world.amqp_url, "test publish in a trace");
    let channel = connector.channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert(TRACEPARENT.into(), AMQPValue::LongString(trace.into()));
    let properties = BasicProperties::default().with_message_id("traced".into()).with_headers(headers);
    let sent = channel.basic_publish("commands".into(), queue.into(), Default::default(), body, properties);
    assert!(sent.await.unwrap().await.unwrap().is_ack());
    connector.close().await;
}

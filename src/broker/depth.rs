//! How much waits in queues, as AMQP itself tells it: a passive declaration answers with two counts and changes nothing.

use std::time::Duration;

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::BrokerError;
use super::connection::{Connector, within};

const LIMIT: Duration = Duration::from_secs(5);
const CLOSE_LIMIT: Duration = Duration::from_millis(200);

/// What AMQP tells of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait for a consumer.
    pub ready: u64,
    pub consumers: u64,
}

/// The depth of each of these queues, in their order; nothing for one that does not exist.
pub async fn depths(connector: &Connector, queues: &[String]) -> Result<Vec<Option<Depth>>, BrokerError> {
    let mut channel = connector.channel().await?;
    let mut depths = Vec::with_capacity(queues.len());
    for queue in queues {
        match depth(&channel, queue).await {
            Ok(depth) => depths.push(Some(depth)),
            // The broker has closed the channel to say so.
            Err(error) if is_not_found(&error) => {
                depths.push(None);
                channel = connector.channel().await?;
            }
            Err(error) => return Err(error),
        }
    }
    // One that is broken already needs no farewell.
    let _ = within(CLOSE_LIMIT, channel.close(200, "done".into())).await;
    Ok(depths)
}

async fn depth(channel: &Channel, queue: &str) -> Result<Depth, BrokerError> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), passive, FieldTable::default());
    let queue = within(LIMIT, declared).await?;
    Ok(Depth { ready: queue.message_count().into(), consumers: queue.consumer_count().into() })
}

fn is_not_found(error: &BrokerError) -> bool {
    const NOT_FOUND: u16 = 404;
    let BrokerError::Protocol(error) = error else { return false };
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(said) if said.get_id() == NOT_FOUND)
}

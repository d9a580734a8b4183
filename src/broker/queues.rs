//! The queues: what waits in them, for how long, and who takes it. From RabbitMQ's management API where it answers,
//! otherwise from AMQP itself, which tells less.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::debug;
use utoipa::ToSchema;

use super::address::Address;
use super::connection::Connector;
use super::delay::Rung;
use super::depth::{Depth, depths};
use super::management::{Management, ManagementSetupError, QueueStats};
use super::topology::{UNREADABLE, dead_queues};
use crate::clock;
use crate::message::Queue;
use crate::peers::secret::Secret;

/// Both ways of asking together take less than two seconds: a page waits for this.
const MANAGEMENT_LIMIT: Duration = Duration::from_millis(900);
const AMQP_LIMIT: Duration = Duration::from_millis(900);

/// Where the numbers of an answer are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// RabbitMQ's management API: everything, up to five seconds old.
    ManagementApi,
    /// AMQP: how many messages are ready and how many consumers there are, as of now.
    Amqp,
    /// Nobody answered.
    None,
}

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueKind {
    /// Commands for a pool of the same name.
    Command,
    /// A rung of a delay ladder: whatever is in it is meant to wait.
    Delay,
    /// Dead letters on their way to their table.
    Dead,
    /// Dead letters that not even their collector can read; a person empties it.
    Unreadable,
}

/// What is known of the age of the oldest message that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgeIs {
    /// The broker told when the message at the head was published.
    Measured,
    /// It has waited at most so long: the queue was seen empty then, or messages that came earlier were taken.
    AtMost,
}

/// A queue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = QueueView)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: QueueKind,
    /// How long a message waits in a delay rung.
    pub delay_ms: Option<u64>,
    /// Whether the broker has it. One that is missing is declared again by the workers that read it.
    pub exists: bool,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages that a consumer has and did not acknowledge yet; AMQP does not tell.
    pub unacknowledged: Option<u64>,
    /// Consumers: one for each runner.
    pub consumers: u64,
    /// The age of the oldest message that is ready, if that is known; nothing for delay rungs.
    pub oldest_seconds: Option<i64>,
    /// What that number is.
    pub oldest_is: Option<AgeIs>,
    /// Messages that come in; AMQP does not tell.
    pub published_per_second: Option<f64>,
    /// Messages handed to consumers; AMQP does not tell.
    pub delivered_per_second: Option<f64>,
    /// Messages acknowledged; AMQP does not tell.
    pub acknowledged_per_second: Option<f64>,
}

/// All queues.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QueuesView {
    /// Where the numbers are from.
    pub source: Source,
    /// Why they are not from the management API, or not there at all.
    pub why: Option<String>,
    /// Commands first, then the rungs from short to long, then dead letters.
    pub queues: Vec<QueueView>,
}

/// Whom to ask about queues.
#[derive(Clone)]
pub struct Inspector {
    management: Option<Arc<Management>>,
    connector: Connector,
}

impl Inspector {
    /// An inspector of the broker at `address`.
    pub fn new(
        address: impl Into<Address>,
        management_api: Option<&Secret>,
    ) -> Result<Self, ManagementSetupError> {
        // An empty variable is how a compose file says "not set".
        let url = management_api.filter(|url| !url.expose().is_empty());
        let address = address.into();
        let management = url.map(|url| Management::new(url, &address, MANAGEMENT_LIMIT)).transpose()?;
        Ok(Self {
            management: management.map(Arc::new),
            connector: Connector::new(address, "holdfast queues"),
        })
    }

    /// Asks the broker, within two seconds. What it does not tell is empty.
    pub async fn look(&self) -> QueuesView {
        let mut why = "the management API is not configured".to_owned();
        if let Some(management) = &self.management {
            match management.queues().await {
                Ok(stats) => {
                    return QueuesView {
                        source: Source::ManagementApi,
                        why: None,
                        queues: from_stats(stats),
                    };
                }
                Err(error) => {
                    debug!(%error, "asking by AMQP instead");
                    why = error.to_string();
                }
            }
        }
        let names: Vec<String> = all().map(|(name, _, _)| name).collect();
        match timeout(AMQP_LIMIT, depths(&self.connector, &names)).await {
            Ok(Ok(depths)) => {
                QueuesView { source: Source::Amqp, why: Some(why), queues: from_depths(depths) }
            }
            Ok(Err(error)) => QueuesView::unknown(&error.to_string()),
            Err(_) => QueuesView::unknown("the broker did not answer in time"),
        }
    }

    /// Says goodbye to the broker.
    pub async fn close(&self) {
        self.connector.close().await;
    }
}

impl QueuesView {
    /// Nothing is known, and why.
    pub fn unknown(why: &str) -> Self {
        Self { source: Source::None, why: Some(why.to_owned()), queues: vec![] }
    }

    /// The queue of this name.
    pub fn find(&self, name: &str) -> Option<&QueueView> {
        self.queues.iter().find(|queue| queue.name == name)
    }
}

/// Every queue of the topology, with its kind and, of a rung, its delay.
fn all() -> impl Iterator<Item = (String, QueueKind, Option<u64>)> {
    let commands = Queue::ALL.into_iter().map(|queue| (queue.name().to_owned(), QueueKind::Command, None));
    let rungs = Rung::all().map(|rung| (rung.name(), QueueKind::Delay, Some(rung.milliseconds())));
    let dead = dead_queues().into_iter().map(|name| (name, QueueKind::Dead, None));
    commands.chain(rungs).chain(dead).chain([(UNREADABLE.to_owned(), QueueKind::Unreadable, None)])
}

fn from_depths(depths: Vec<Option<Depth>>) -> Vec<QueueView> {
    all()
        .zip(depths)
        .map(|((name, kind, delay_ms), depth)| QueueView {
            exists: depth.is_some(),
            ready: depth.map_or(0, |depth| depth.ready),
            consumers: depth.map_or(0, |depth| depth.consumers),
            ..unknown(name, kind, delay_ms)
        })
        .collect()
}

fn from_stats(stats: Vec<QueueStats>) -> Vec<QueueView> {
    let now = clock::now().timestamp();
    let mut stats: HashMap<String, QueueStats> =
        stats.into_iter().map(|stats| (stats.name.clone(), stats)).collect();
    let view = |(name, kind, delay_ms): (String, QueueKind, Option<u64>)| {
        let Some(stats) = stats.remove(&name) else { return unknown(name, kind, delay_ms) };
        let ready = stats.ready.unwrap_or(0);
        let head = stats.head_message_timestamp.filter(|_| ready > 0 && kind != QueueKind::Delay);
        QueueView {
            exists: true,
            ready,
            unacknowledged: stats.unacknowledged,
            consumers: stats.consumers.unwrap_or(0),
            oldest_seconds: head.map(|head| (now - head).max(0)),
            oldest_is: head.map(|_| AgeIs::Measured),
            published_per_second: Some(stats.message_stats.publish.per_second),
            delivered_per_second: Some(stats.message_stats.deliver.per_second),
            acknowledged_per_second: Some(stats.message_stats.ack.per_second),
            ..unknown(name, kind, delay_ms)
        }
    };
    all().map(view).collect()
}

fn unknown(name: String, kind: QueueKind, delay_ms: Option<u64>) -> QueueView {
    QueueView {
        name,
        kind,
        delay_ms,
        exists: false,
        ready: 0,
        unacknowledged: None,
        consumers: 0,
        oldest_seconds: None,
        oldest_is: None,
        published_per_second: None,
        delivered_per_second: None,
        acknowledged_per_second: None,
    }
}

//! One task owns the publishing channel; everyone else hands it messages and waits for the broker's confirm.
//!
//! Many publishes are in flight at once: awaiting each confirm before the next write would be a third slower and
//! cost the client several times the work.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, PublisherConfirm};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use super::BrokerError;
use super::connection::{Connector, within};
use super::envelope::Outgoing;
use crate::retry::Backoff;

/// Publishes waiting for their confirm; further ones wait in line.
const MAX_IN_FLIGHT: usize = 4_096;
const MAX_WAITING: usize = 4_096;
const MAX_TAKEN_AT_ONCE: usize = 256;
const RECONNECT_CEILING: Duration = Duration::from_secs(2);

/// Why a message is not in the broker's keeping. The last ones matter most where several messages failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum PublishError {
    /// The queue is at its limit.
    #[error("the queue is full")]
    Full,
    /// No queue is bound for it: the topology is not declared.
    #[error("no queue takes the message")]
    Unroutable,
    /// No connection, or no confirm in time: the message may or may not have arrived.
    #[error("the broker did not confirm the message")]
    Unavailable,
}

impl PublishError {
    /// A word for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unroutable => "unroutable",
            Self::Unavailable => "unavailable",
        }
    }
}

struct Job {
    message: Outgoing,
    done: oneshot::Sender<Result<(), PublishError>>,
}

/// Hands messages to the publishing task. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    jobs: mpsc::Sender<Job>,
    connected: watch::Receiver<bool>,
}

impl Publisher {
    /// Starts the task. It ends when the last handle is dropped.
    pub fn start(connector: Connector, confirm_timeout: Duration) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_WAITING);
        let (status, connected) = watch::channel(false);
        tokio::spawn(run(connector, queue, status, confirm_timeout));
        Self { jobs, connected }
    }

    /// Whether there is a channel to publish on right now.
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Waits until there is a channel.
    pub async fn wait_until_connected(&self) {
        // The task lives as long as this handle, so the channel cannot be closed.
        let _ = self.connected.clone().wait_for(|connected| *connected).await;
    }

    /// Publishes one message; it is in the broker's keeping when this returns `Ok`.
    pub async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let (done, confirmed) = oneshot::channel();
        self.jobs.send(Job { message, done }).await.map_err(|_| PublishError::Unavailable)?;
        confirmed.await.unwrap_or(Err(PublishError::Unavailable))
    }

    /// Publishes all messages together, and says of each whether it is in the broker's keeping.
    pub async fn publish_each(&self, messages: Vec<Outgoing>) -> Vec<Result<(), PublishError>> {
        join_all(messages.into_iter().map(|message| self.publish(message))).await
    }

    /// [`publish_each`](Self::publish_each), for whoever gives all of them again if one fails; the first failure is
    /// returned.
    pub async fn publish_all(&self, messages: Vec<Outgoing>) -> Result<(), PublishError> {
        self.publish_each(messages).await.into_iter().collect()
    }
}

async fn run(
    connector: Connector,
    mut jobs: mpsc::Receiver<Job>,
    status: watch::Sender<bool>,
    confirm_timeout: Duration,
) {
    while let Some(channel) = connect(&connector, &mut jobs).await {
        info!("publishing channel open");
        status.send_replace(true);
        let ended = publish_until_broken(&channel, &mut jobs, confirm_timeout).await;
        status.send_replace(false);
        if let Ended::NoMoreJobs = ended {
            break;
        }
        // What was in flight is answered "not confirmed" by being dropped; its sender decides.
        warn!("publishing channel lost, opening a new one");
    }
    connector.close().await;
}

/// A confirming channel, or `None` when nobody will publish any more. Meanwhile every message is refused at once:
/// its sender knows better than this task how long it can wait.
async fn connect(connector: &Connector, jobs: &mut mpsc::Receiver<Job>) -> Option<Channel> {
    let mut backoff = Backoff::with_ceiling(RECONNECT_CEILING);
    let opening = async {
        loop {
            match open(connector).await {
                Ok(channel) => return channel,
                Err(error) => {
                    warn!(%error, "cannot open a publishing channel yet");
                    backoff.wait().await;
                }
            }
        }
    };
    tokio::pin!(opening);
    loop {
        tokio::select! {
            channel = &mut opening => return Some(channel),
            job = jobs.recv() => job?.done.send(Err(PublishError::Unavailable)).unwrap_or_default(),
        }
    }
}

async fn open(connector: &Connector) -> Result<Channel, BrokerError> {
    let channel = connector.channel().await?;
    within(RECONNECT_CEILING, channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

enum Ended {
    NoMoreJobs,
    Broken,
}

async fn publish_until_broken(
    channel: &Channel,
    jobs: &mut mpsc::Receiver<Job>,
    confirm_timeout: Duration,
) -> Ended {
    let mut in_flight = FuturesUnordered::new();
    let mut taken = Vec::with_capacity(MAX_TAKEN_AT_ONCE);
    loop {
        tokio::select! {
            count = jobs.recv_many(&mut taken, MAX_TAKEN_AT_ONCE), if in_flight.len() < MAX_IN_FLIGHT => {
                if count == 0 {
                    while in_flight.next().await.is_some() {}
                    return Ended::NoMoreJobs;
                }
                // Each write is handed to another thread, so they are handed over in order first and awaited
                // together then. A blocked connection makes the writes themselves hang.
                let writes = try_join_all(taken.iter().map(|job| write(channel, &job.message)));
                let Ok(Ok(confirms)) = timeout(confirm_timeout, writes).await else {
                    return Ended::Broken;
                };
                for (job, confirm) in taken.drain(..).zip(confirms) {
                    in_flight.push(settle(confirm, job.done, confirm_timeout));
                }
            }
            Some(usable) = in_flight.next() => {
                if !usable {
                    return Ended::Broken;
                }
            }
        }
    }
}

async fn write(channel: &Channel, message: &Outgoing) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
    channel
        .basic_publish(
            message.exchange.as_ref().into(),
            message.routing_key.as_str().into(),
            options,
            &message.body,
            message.properties.clone(),
        )
        .await
}

/// Waits for a confirm and tells the sender. Returns whether the channel can be used further.
async fn settle(
    confirm: PublisherConfirm,
    done: oneshot::Sender<Result<(), PublishError>>,
    limit: Duration,
) -> bool {
    let (result, usable) = match timeout(limit, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => (Ok(()), true),
        // A mandatory message that no queue takes comes back together with an ack.
        Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested)) => {
            (Err(PublishError::Unroutable), true)
        }
        Ok(Ok(Confirmation::Nack(_))) => (Err(PublishError::Full), true),
        Ok(Err(_)) | Err(_) => (Err(PublishError::Unavailable), false),
    };
    // A sender that no longer waits has given up on the answer, not on the message.
    let _ = done.send(result);
    usable
}

//! The runner: takes what waits in a queue, has the worker apply it, publishes what follows, then acknowledges.
//!
//! The acknowledgement is always the last step, so that redelivery repairs every crash. Nothing waits to fill a
//! batch: at low load a batch is one message, under load batches form by themselves.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use holdfast::broker::BrokerError;
use holdfast::broker::connection::{Connector, within};
use holdfast::broker::delay::Rung;
use holdfast::broker::envelope::{Incoming, Outgoing};
use holdfast::broker::publisher::{PublishError, Publisher};
use holdfast::broker::topology::Topology;
use holdfast::clock;
use holdfast::retry::{Backoff, message_delay};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use metrics::counter;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::pause;
use crate::settle::{Stopped, settle};
use crate::worker::{Delivered, Verdict, Worker};

const BROKER_CEILING: Duration = Duration::from_secs(2);
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// What every runner needs.
#[derive(Clone)]
pub struct Context {
    /// Where batches are applied.
    pub pool: PgPool,
    /// Opens consuming channels.
    pub connector: Connector,
    /// Takes what follows from a batch.
    pub publisher: Publisher,
    /// What a broker that lost its data is told again.
    pub topology: Topology,
    /// Says when to stop.
    pub stop: CancellationToken,
}

/// Why a channel is given up. What it delivered and was not acknowledged comes again.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("told to stop")]
    Stopped,
    #[error("the broker ended the consumer")]
    ConsumerGone,
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl From<lapin::Error> for Ended {
    fn from(error: lapin::Error) -> Self {
        Self::Broker(error.into())
    }
}

impl From<Stopped> for Ended {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Runs one worker on one channel until told to stop; a lost channel is opened again.
pub async fn run<W: Worker>(worker: W, context: Context) {
    let runner = Runner { queue: worker.queue(), worker, context };
    let mut backoff = Backoff::with_ceiling(BROKER_CEILING);
    loop {
        let ended = match runner.open().await {
            Ok((channel, consumer)) => {
                info!(queue = runner.queue, "consuming");
                backoff.reset();
                runner.consume(&channel, consumer).await
            }
            Err(ended) => ended,
        };
        if matches!(ended, Ended::Stopped) || runner.context.stop.is_cancelled() {
            info!(queue = runner.queue, "stopped");
            return;
        }
        warn!(queue = runner.queue, error = %ended, "consumer lost, opening a new one");
        tokio::select! {
            () = backoff.wait() => {}
            () = runner.context.stop.cancelled() => return,
        }
    }
}

struct Runner<W> {
    queue: String,
    worker: W,
    context: Context,
}

impl<W: Worker> Runner<W> {
    /// A channel and its consumer. A broker without the queue has lost its data: it is told the topology again.
    async fn open(&self) -> Result<(Channel, Consumer), Ended> {
        let channel = self.context.connector.channel().await?;
        if let Ok(consumer) = self.subscribe(&channel).await {
            return Ok((channel, consumer));
        }
        // The failed subscription has closed the channel it was tried on.
        self.context.topology.declare(&self.context.connector.channel().await?).await?;
        let channel = self.context.connector.channel().await?;
        let consumer = self.subscribe(&channel).await?;
        Ok((channel, consumer))
    }

    async fn subscribe(&self, channel: &Channel) -> Result<Consumer, BrokerError> {
        let prefetch = self.worker.limits().prefetch;
        within(BROKER_TIMEOUT, channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let (queue, tag) = (self.queue.as_str().into(), "".into());
        let options = BasicConsumeOptions::default();
        within(BROKER_TIMEOUT, channel.basic_consume(queue, tag, options, FieldTable::default())).await
    }

    async fn consume(&self, channel: &Channel, mut consumer: Consumer) -> Ended {
        loop {
            match self.cycle(channel, &mut consumer).await {
                Ok(()) => {}
                Err(ended) => return ended,
            }
        }
    }

    /// One batch, from delivery to acknowledgement.
    async fn cycle(&self, channel: &Channel, consumer: &mut Consumer) -> Result<(), Ended> {
        let Batch { readable, unreadable, last_tag } = self.take(consumer).await?;
        let (verdicts, wake_ups) =
            settle(&self.worker, &self.context.pool, &readable, &self.context.stop).await?;
        pause::point("after_commit").await;

        let now = clock::now();
        self.count("done", verdicts.iter().filter(|verdict| **verdict == Verdict::Done).count());
        let judged = readable.iter().map(|delivered| &delivered.incoming).zip(verdicts);
        let judged = judged.chain(unreadable.iter().map(|(incoming, verdict)| (incoming, verdict.clone())));
        let mut follow: Vec<Outgoing> =
            judged.filter_map(|(incoming, verdict)| self.follow(incoming, verdict)).collect();
        follow.extend(wake_ups.into_iter().map(|wake_up| wake_up.message(now)));
        self.publish(channel, follow).await?;
        pause::point("after_publish").await;

        // One consumer per channel: every delivery up to this tag belongs to this batch or an earlier one.
        within(BROKER_TIMEOUT, channel.basic_ack(last_tag, BasicAckOptions { multiple: true })).await?;
        Ok(())
    }

    /// Waits for a message, then takes those that are there already.
    async fn take(&self, consumer: &mut Consumer) -> Result<Batch<W::Message>, Ended> {
        let first = tokio::select! {
            biased;
            () = self.context.stop.cancelled() => return Err(Ended::Stopped),
            next = consumer.next() => next.ok_or(Ended::ConsumerGone)??,
        };
        let limits = self.worker.limits();
        let mut batch = Batch { readable: vec![], unreadable: vec![], last_tag: 0 };
        let mut weight = self.add(&mut batch, first);
        let mut count = 1;
        while count < limits.messages && weight < limits.weight {
            let Some(Some(next)) = consumer.next().now_or_never() else { break };
            weight += self.add(&mut batch, next?);
            count += 1;
        }
        Ok(batch)
    }

    fn add(&self, batch: &mut Batch<W::Message>, delivery: Delivery) -> usize {
        batch.last_tag = delivery.delivery_tag;
        let incoming = Incoming::new(delivery);
        match self.worker.read(&incoming) {
            Ok(message) => {
                let weight = self.worker.weight(&message);
                batch.readable.push(Delivered { incoming, message });
                weight
            }
            Err(verdict) => {
                batch.unreadable.push((incoming, verdict));
                1
            }
        }
    }

    /// What has to be published because of a verdict.
    fn follow(&self, incoming: &Incoming, verdict: Verdict) -> Option<Outgoing> {
        match verdict {
            Verdict::Done => None,
            Verdict::Retry { why, limit } if incoming.attempt >= limit => {
                Some(self.dead(incoming, "gave_up", &format!("{why} after {limit} retries")))
            }
            Verdict::Retry { .. } => {
                self.count("retry", 1);
                let rung = Rung::for_delay(message_delay(incoming.attempt + 1));
                Some(Outgoing::retry(incoming, rung))
            }
            Verdict::Dead { class, reason } => Some(self.dead(incoming, class, &reason)),
        }
    }

    fn count(&self, outcome: &'static str, messages: usize) {
        let queue = self.queue.clone();
        counter!("holdfast_messages_total", "queue" => queue, "outcome" => outcome)
            .increment(messages as u64);
    }

    fn dead(&self, incoming: &Incoming, class: &str, reason: &str) -> Outgoing {
        self.count("dead", 1);
        warn!(queue = self.queue, message_id = incoming.message_id(), class, reason, "dead letter");
        Outgoing::dead(incoming, class, reason)
    }

    /// Publishes until the broker has confirmed everything, as long as the deliveries are still ours.
    async fn publish(&self, channel: &Channel, messages: Vec<Outgoing>) -> Result<(), Ended> {
        let mut backoff = Backoff::with_ceiling(BROKER_CEILING);
        while !messages.is_empty() {
            let Err(error) = self.context.publisher.publish_all(messages.clone()).await else { break };
            warn!(queue = self.queue, %error, "cannot publish what follows a batch, trying again");
            if !channel.status().connected() {
                return Err(Ended::ConsumerGone);
            }
            if error == PublishError::Unroutable {
                self.context.topology.declare(&self.context.connector.channel().await?).await?;
            }
            tokio::select! {
                () = backoff.wait() => {}
                () = self.context.stop.cancelled() => return Err(Ended::Stopped),
            }
        }
        Ok(())
    }
}

/// Deliveries of one cycle. All of them are acknowledged together at its end.
struct Batch<M> {
    readable: Vec<Delivered<M>>,
    unreadable: Vec<(Incoming, Verdict)>,
    last_tag: u64,
}

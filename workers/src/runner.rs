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
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What every runner needs.
#[derive(Clone)]
pub struct Context {
    /// Where batches are applied.
    pub pool: PgPool,
    /// RabbitMQ. Each runner has a connection of its own: a message that the client library cannot even parse costs
    /// that connection, and no other queue shall pay for it.
    pub amqp_url: String,
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
    #[error("nothing is redelivered any more")]
    Trusted,
    #[error("the broker ended the consumer")]
    ConsumerGone,
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// How much a consumer takes ahead. After a lost channel it takes one message at a time as long as they are
/// redelivered ones: if one of them costs the channel or the process again, its neighbours are not counted guilty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Full,
    Cautious,
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
    let queue = worker.queue();
    let connector = Connector::new(&context.amqp_url, &format!("holdfast-workers {queue}"));
    let runner = Runner { queue, worker, context, connector };
    let stop = runner.context.stop.clone();
    let mut backoff = Backoff::with_ceiling(BROKER_CEILING);
    // A process that was started again may be one that such a message killed.
    let mut mode = Mode::Cautious;
    loop {
        let ended = match stop.run_until_cancelled(runner.open(mode)).await {
            Some(Ok((channel, consumer))) => {
                info!(queue = runner.queue, ?mode, "consuming");
                let ended = runner.consume(&channel, consumer, mode).await;
                // Whatever it was given ahead goes back to the queue; a broken channel needs no farewell.
                let _ = within(CLOSE_TIMEOUT, channel.close(200, "done".into())).await;
                ended
            }
            Some(Err(ended)) => ended,
            None => Ended::Stopped,
        };
        match ended {
            Ended::Stopped => break,
            Ended::Trusted => {
                backoff.reset();
                mode = Mode::Full;
            }
            ended => {
                warn!(queue = runner.queue, error = %ended, "consumer lost, opening a new one");
                mode = Mode::Cautious;
                stop.run_until_cancelled(backoff.wait()).await;
            }
        }
        if stop.is_cancelled() {
            break;
        }
    }
    runner.connector.close().await;
    info!(queue = runner.queue, "stopped");
}

struct Runner<W> {
    queue: String,
    worker: W,
    context: Context,
    connector: Connector,
}

impl<W: Worker> Runner<W> {
    /// A channel and its consumer. A broker without the queue has lost its data: it is told the topology again.
    async fn open(&self, mode: Mode) -> Result<(Channel, Consumer), Ended> {
        let channel = self.connector.channel().await?;
        if let Ok(consumer) = self.subscribe(&channel, mode).await {
            return Ok((channel, consumer));
        }
        // The failed subscription has closed the channel it was tried on.
        self.context.topology.declare(&self.connector.channel().await?).await?;
        let channel = self.connector.channel().await?;
        let consumer = self.subscribe(&channel, mode).await?;
        Ok((channel, consumer))
    }

    async fn subscribe(&self, channel: &Channel, mode: Mode) -> Result<Consumer, BrokerError> {
        let prefetch = match mode {
            Mode::Full => self.worker.limits().prefetch,
            Mode::Cautious => 1,
        };
        within(BROKER_TIMEOUT, channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let (queue, tag) = (self.queue.as_str().into(), "".into());
        let options = BasicConsumeOptions::default();
        within(BROKER_TIMEOUT, channel.basic_consume(queue, tag, options, FieldTable::default())).await
    }

    async fn consume(&self, channel: &Channel, mut consumer: Consumer, mode: Mode) -> Ended {
        loop {
            match self.cycle(channel, &mut consumer).await {
                Ok(redelivered) if mode == Mode::Cautious && !redelivered => return Ended::Trusted,
                Ok(_) => {}
                Err(ended) => return ended,
            }
        }
    }

    /// One batch, from delivery to acknowledgement. Returns whether any of it was delivered before.
    async fn cycle(&self, channel: &Channel, consumer: &mut Consumer) -> Result<bool, Ended> {
        let Batch { readable, unreadable, last_tag, redelivered } = self.take(consumer).await?;
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
        Ok(redelivered)
    }

    /// Waits for a message, then takes those that are there already.
    async fn take(&self, consumer: &mut Consumer) -> Result<Batch<W::Message>, Ended> {
        let first = tokio::select! {
            biased;
            () = self.context.stop.cancelled() => return Err(Ended::Stopped),
            next = consumer.next() => next.ok_or(Ended::ConsumerGone)??,
        };
        let limits = self.worker.limits();
        let mut batch = Batch { readable: vec![], unreadable: vec![], last_tag: 0, redelivered: false };
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
        batch.redelivered |= delivery.redelivered;
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
                self.context.topology.declare(&self.connector.channel().await?).await?;
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
    redelivered: bool,
}

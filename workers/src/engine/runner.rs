//! The runner: takes what waits in a queue, has the worker apply it, publishes what follows, then acknowledges.
//!
//! The acknowledgement is always the last step, so that redelivery repairs every crash. Nothing waits to fill a
//! batch: at low load a batch is one message, under load batches form by themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use holdfast::broker::BrokerError;
use holdfast::broker::connection::{Connector, within};
use holdfast::broker::envelope::Incoming;
use holdfast::retry::Backoff;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use metrics::gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{Instrument as _, info, warn};

use super::context::{BROKER_CEILING, BROKER_TIMEOUT, Context, Ended};
use super::finish::{Finisher, Settled};
use super::settle::{Stopped, settle};
use super::stop_points;
use super::traces::Spans;
use super::worker::{Delivered, Verdict, Worker};

const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Hands the runners of one pool their turns to apply a batch that is not full.
pub type BatchTurns = Arc<Semaphore>;
type BatchTurn = OwnedSemaphorePermit;

/// So many turns at a time.
pub fn turns(count: usize) -> BatchTurns {
    Arc::new(Semaphore::new(count))
}

/// How much a consumer takes ahead. After a lost channel it begins with one message and takes eight times as many each
/// time that went well, as long as they are redelivered ones: if one of them costs the channel or the process again, few
/// neighbours are counted guilty with it, and fewer at every try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Full,
    Cautious(u16),
}

impl Mode {
    /// A process that was started again may be one that such a message killed.
    const FIRST: Mode = Mode::Cautious(1);
    const GROWTH: u16 = 8;

    fn prefetch(self, full: u16) -> u16 {
        match self {
            Mode::Full => full,
            Mode::Cautious(few) => few.min(full),
        }
    }

    /// After so many messages without harm.
    fn bolder(self, full: u16) -> Mode {
        match self {
            Mode::Cautious(few) if few.saturating_mul(Self::GROWTH) < full => {
                Mode::Cautious(few * Self::GROWTH)
            }
            _ => Mode::Full,
        }
    }

    /// Whether a consumer that took `redelivered` messages of this kind in a row has taken enough of them.
    fn is_over(self, redelivered: usize) -> bool {
        matches!(self, Mode::Cautious(few) if redelivered >= usize::from(few))
    }
}

/// Runs one worker on one channel until told to stop; a lost channel is opened again. While its pool is paused it has no
/// consumer.
pub async fn run<W: Worker>(worker: W, context: Context, turns: BatchTurns) {
    let queue = worker.queue();
    let connector = Connector::new(&context.broker, &format!("holdfast-workers {queue}"));
    let runner = Runner { queue, worker, context, turns, connector };
    let stop = runner.context.stop.clone();
    let mut backoff = Backoff::with_ceiling(BROKER_CEILING);
    let mut mode = Mode::FIRST;
    while stop.run_until_cancelled(runner.context.gate.opened()).await.is_some() {
        let ended = match stop.run_until_cancelled(runner.open(mode)).await {
            Some(Ok((channel, consumer))) => {
                info!(queue = runner.queue, ?mode, "consuming");
                let consumers = gauge!("holdfast_consumers", "queue" => runner.queue.clone());
                consumers.increment(1.0);
                let ended = runner.consume(&channel, consumer, mode).await;
                consumers.decrement(1.0);
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
            Ended::Paused => {
                info!(queue = runner.queue, "paused");
                backoff.reset();
                mode = Mode::FIRST;
            }
            Ended::SoFarSoGood => mode = mode.bolder(runner.worker.limits().prefetch),
            ended => {
                warn!(queue = runner.queue, error = %ended, "consumer lost, opening a new one");
                mode = Mode::FIRST;
                stop.run_until_cancelled(backoff.wait()).await;
            }
        }
    }
    runner.connector.close().await;
    info!(queue = runner.queue, "stopped");
}

struct Runner<W> {
    queue: String,
    worker: W,
    context: Context,
    turns: BatchTurns,
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
        self.context.topology.declare(&self.connector).await?;
        let channel = self.connector.channel().await?;
        let consumer = self.subscribe(&channel, mode).await?;
        Ok((channel, consumer))
    }

    async fn subscribe(&self, channel: &Channel, mode: Mode) -> Result<Consumer, BrokerError> {
        let prefetch = mode.prefetch(self.worker.limits().prefetch);
        within(BROKER_TIMEOUT, channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let (queue, tag) = (self.queue.as_str().into(), "".into());
        let options = BasicConsumeOptions::default();
        within(BROKER_TIMEOUT, channel.basic_consume(queue, tag, options, FieldTable::default())).await
    }

    async fn consume(&self, channel: &Channel, consumer: Consumer, mode: Mode) -> Ended {
        let (hand_over, settled) = mpsc::channel(1);
        let finisher =
            Finisher { queue: &self.queue, context: &self.context, connector: &self.connector, channel };
        // Applying ends when the finisher has given up, and the finisher when there is nothing more to come.
        let (ended, finished) = tokio::join!(self.apply(consumer, hand_over, mode), finisher.run(settled));
        finished.err().unwrap_or(ended)
    }

    /// Applies batch after batch and hands them over to be finished.
    async fn apply(&self, mut consumer: Consumer, hand_over: mpsc::Sender<Settled>, mode: Mode) -> Ended {
        let mut harmless = 0;
        loop {
            let taken = tokio::select! {
                biased;
                () = hand_over.closed() => return Ended::ConsumerGone,
                taken = self.take(&mut consumer) => taken,
            };
            let (batch, turn) = match taken {
                Ok(taken) => taken,
                Err(ended) => return ended,
            };
            let (redelivered, count) = (batch.redelivered, batch.readable.len() + batch.unreadable.len());
            let settled = match self.settle(batch).await {
                Ok(settled) => settled,
                Err(Stopped) => return Ended::Stopped,
            };
            drop(turn);
            stop_points::point("after_commit").await;
            if hand_over.send(settled).await.is_err() {
                return Ended::ConsumerGone;
            }
            if mode != Mode::Full && !redelivered {
                return Ended::Trusted;
            }
            harmless += count;
            if mode.is_over(harmless) {
                return Ended::SoFarSoGood;
            }
        }
    }

    async fn settle(&self, mut batch: Batch<W::Message>) -> Result<Settled, Stopped> {
        let Context { pool, stop, bell, tally, .. } = &self.context;
        // What was too slow before is tried alone, after the others.
        batch.readable.sort_by_key(|delivered| delivered.incoming.slow_tries > 0);
        let spans = Spans::open(&self.queue, &batch.readable);
        let started = Instant::now();
        let mut applied =
            settle(&self.worker, pool, &mut batch.readable, stop).instrument(spans.batch.clone()).await?;
        let at = Instant::now();
        bell.ring();
        let messages = batch.readable.len() + batch.unreadable.len();
        tally.note(messages, started.elapsed(), batch.queued_at_seconds);
        let follows = spans.hand_on(&self.worker, &batch.readable, &mut applied);
        let readable = batch.readable.into_iter().map(|delivered| delivered.incoming).zip(applied.verdicts);
        let judged = readable.chain(batch.unreadable).collect();
        Ok(Settled { judged, follows, last_tag: batch.last_tag, at })
    }

    /// Waits for a message, then takes those that are there already. While another runner of the pool applies a batch,
    /// a batch that is not full waits and grows: many small transactions would cost more than they bring.
    async fn take(&self, consumer: &mut Consumer) -> Result<(Batch<W::Message>, Option<BatchTurn>), Ended> {
        let first = self.next(consumer).await?;
        let mut batch = Batch {
            readable: vec![],
            unreadable: vec![],
            last_tag: 0,
            redelivered: false,
            weight: 0,
            queued_at_seconds: None,
        };
        self.add(&mut batch, first);
        let mut turn = None;
        while !self.is_full(&batch) {
            if let Some(next) = consumer.next().now_or_never() {
                self.add(&mut batch, next.ok_or(Ended::ConsumerGone)??);
            } else if turn.is_some() {
                break;
            } else {
                tokio::select! {
                    biased;
                    next = self.next(consumer) => self.add(&mut batch, next?),
                    own = self.turns.clone().acquire_owned() => turn = own.ok(),
                }
            }
        }
        Ok((batch, turn))
    }

    async fn next(&self, consumer: &mut Consumer) -> Result<Delivery, Ended> {
        tokio::select! {
            biased;
            () = self.context.stop.cancelled() => Err(Ended::Stopped),
            () = self.context.gate.shut() => Err(Ended::Paused),
            next = consumer.next() => Ok(next.ok_or(Ended::ConsumerGone)??),
        }
    }

    fn is_full(&self, batch: &Batch<W::Message>) -> bool {
        let limits = self.worker.limits();
        batch.readable.len() + batch.unreadable.len() >= limits.messages || batch.weight >= limits.weight
    }

    fn add(&self, batch: &mut Batch<W::Message>, delivery: Delivery) {
        batch.last_tag = delivery.delivery_tag;
        batch.redelivered |= delivery.redelivered;
        let incoming = Incoming::new(delivery, &self.queue);
        let queued_at = incoming.queued_at_seconds();
        batch.queued_at_seconds = batch.queued_at_seconds.into_iter().chain(queued_at).min();
        match self.worker.read(&incoming) {
            Ok(message) => {
                batch.weight += self.worker.weight(&message);
                batch.readable.push(Delivered { incoming, message });
            }
            Err(verdict) => {
                batch.weight += 1;
                batch.unreadable.push((incoming, verdict));
            }
        }
    }
}

/// Deliveries of one cycle. All of them are acknowledged together at its end.
struct Batch<M> {
    readable: Vec<Delivered<M>>,
    unreadable: Vec<(Incoming, Verdict)>,
    last_tag: u64,
    redelivered: bool,
    /// How many orders they touch.
    weight: usize,
    /// When the oldest of them came into the queue.
    queued_at_seconds: Option<u64>,
}

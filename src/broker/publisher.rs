//! One task owns the publishing channel; everyone else hands it messages and waits for the broker's confirm.
//!
//! Many publishes are in flight at once: awaiting each confirm before the next write would be a third slower and
//! cost the client several times the work.
//!
//! A message that is refused after a second of nothing but refusals is tried once more on a connection of its own. If it
//! is taken there, that connection takes over: the channel was bound to a node that is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, PublisherConfirm};
use metrics::counter;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use super::BrokerError;
use super::connection::{Connector, within};
use super::envelope::Outgoing;
use super::refusals::{RefusalCause, Refusals, Refused};
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

/// A message and whoever waits for its confirm. One that is dropped unanswered is not confirmed.
struct Job {
    message: Outgoing,
    done: Option<oneshot::Sender<Result<(), PublishError>>>,
}

impl Job {
    fn conclude(mut self, result: Result<(), PublishError>) {
        let Some(done) = self.done.take() else { return };
        if let Err(error) = result {
            self.count(error);
        }
        // A sender that no longer waits has given up on the answer, not on the message.
        let _ = done.send(result);
    }

    fn count(&self, error: PublishError) {
        let queue = self.message.target().to_owned();
        counter!("holdfast_broker_refusals_total", "queue" => queue, "reason" => error.label()).increment(1);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.done.is_some() {
            self.count(PublishError::Unavailable);
        }
    }
}

/// Hands messages to the publishing task. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    jobs: mpsc::Sender<Job>,
    connected: watch::Receiver<bool>,
    refusals: Arc<Mutex<Refusals>>,
}

impl Publisher {
    /// Starts the task. It ends when the last handle is dropped.
    pub fn start(connector: Connector, confirm_timeout: Duration) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_WAITING);
        let (status, connected) = watch::channel(false);
        let refusals = Arc::<Mutex<Refusals>>::default();
        tokio::spawn(run(connector, queue, status, refusals.clone(), confirm_timeout));
        Self { jobs, connected, refusals }
    }

    /// Whether there is a channel to publish on right now.
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// What the broker does not take right now.
    pub fn refused(&self) -> Vec<Refused> {
        locked(&self.refusals).now(Instant::now())
    }

    /// Whether messages are taken, as far as can be known. A full queue is no reason to say no: it says so itself, and
    /// the others take theirs.
    pub fn is_accepting(&self) -> bool {
        self.is_connected() && self.refused().iter().all(|refused| refused.cause == RefusalCause::Full)
    }

    /// Waits until there is a channel.
    pub async fn wait_until_connected(&self) {
        // The task lives as long as this handle, so the channel cannot be closed.
        let _ = self.connected.clone().wait_for(|connected| *connected).await;
    }

    /// Publishes one message; it is in the broker's keeping when this returns `Ok`.
    pub async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let (done, confirmed) = oneshot::channel();
        self.jobs.send(Job { message, done: Some(done) }).await.map_err(|_| PublishError::Unavailable)?;
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

/// No code that holds the lock can panic, and what is inside is whole after every line.
fn locked(refusals: &Mutex<Refusals>) -> std::sync::MutexGuard<'_, Refusals> {
    refusals.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    mut connector: Connector,
    mut jobs: mpsc::Receiver<Job>,
    status: watch::Sender<bool>,
    refusals: Arc<Mutex<Refusals>>,
    confirm_timeout: Duration,
) {
    while let Some(channel) = connect(&connector, &mut jobs).await {
        info!("publishing channel open");
        status.send_replace(true);
        let mut line =
            Line { connector, channel, generation: 0, refusals: refusals.clone(), confirm_timeout };
        let ended = line.publish_until_broken(&mut jobs).await;
        connector = line.connector;
        status.send_replace(false);
        if let PublishEnd::NoMoreJobs = ended {
            break;
        }
        // What was in flight is answered "not confirmed" by being dropped; its sender decides.
        warn!("publishing channel lost, opening a new one");
        // On a connection of its own, which a balancer may lead to another node.
        let fresh = connector.another();
        close(std::mem::replace(&mut connector, fresh), Duration::ZERO);
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
            job = jobs.recv() => job?.conclude(Err(PublishError::Unavailable)),
        }
    }
}

async fn open(connector: &Connector) -> Result<Channel, BrokerError> {
    let channel = connector.channel().await?;
    within(RECONNECT_CEILING, channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

enum PublishEnd {
    NoMoreJobs,
    Broken,
}

/// What the broker said to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokerAnswer {
    Taken,
    /// It came back: no queue is bound for it.
    Returned,
    Refused,
    Silence,
    /// The channel is gone.
    Lost,
}

/// A message and the answer to it, on which of the line's channels.
struct AnsweredJob {
    job: Job,
    answer: BrokerAnswer,
    generation: u32,
}

/// A message that was tried on a connection of its own.
struct Trial {
    job: Job,
    answer: BrokerAnswer,
    connector: Connector,
    channel: Option<Channel>,
}

/// The channel that is published on, and its successors.
struct Line {
    connector: Connector,
    channel: Channel,
    generation: u32,
    refusals: Arc<Mutex<Refusals>>,
    confirm_timeout: Duration,
}

impl Line {
    async fn publish_until_broken(&mut self, jobs: &mut mpsc::Receiver<Job>) -> PublishEnd {
        let mut in_flight = FuturesUnordered::new();
        // One at a time.
        let mut trials = FuturesUnordered::new();
        let mut taken = Vec::with_capacity(MAX_TAKEN_AT_ONCE);
        loop {
            tokio::select! {
                count = jobs.recv_many(&mut taken, MAX_TAKEN_AT_ONCE), if in_flight.len() < MAX_IN_FLIGHT => {
                    if count == 0 {
                        while let Some(answered) = in_flight.next().await {
                            self.conclude(answered, false);
                        }
                        return PublishEnd::NoMoreJobs;
                    }
                    // Each write is handed to another thread, so they are handed over in order first and awaited
                    // together then. A blocked connection makes the writes themselves hang.
                    let writes = try_join_all(taken.iter().map(|job| write(&self.channel, &job.message)));
                    let confirms = match timeout(self.confirm_timeout, writes).await {
                        Ok(Ok(confirms)) => confirms,
                        not_written => {
                            let answer = if not_written.is_err() { BrokerAnswer::Silence } else { BrokerAnswer::Lost };
                            taken.drain(..).for_each(|job| self.answer(job, answer));
                            return PublishEnd::Broken;
                        }
                    };
                    for (job, confirm) in taken.drain(..).zip(confirms) {
                        in_flight.push(settle(job, confirm, self.generation, self.confirm_timeout));
                    }
                }
                Some(answered) = in_flight.next() => {
                    let is_broken = matches!(answered.answer, BrokerAnswer::Silence | BrokerAnswer::Lost)
                        && answered.generation == self.generation;
                    if let Some(job) = self.conclude(answered, trials.is_empty()) {
                        trials.push(attempt(self.connector.another(), job, self.confirm_timeout));
                    }
                    if is_broken {
                        return PublishEnd::Broken;
                    }
                }
                Some(trial) = trials.next() => self.judge(trial),
            }
        }
    }

    /// Tells the sender, or gives the message back to be tried elsewhere.
    fn conclude(&self, AnsweredJob { job, answer, .. }: AnsweredJob, may_try: bool) -> Option<Job> {
        if answer == BrokerAnswer::Refused
            && may_try
            && locked(&self.refusals).wants_trial(job.message.target(), Instant::now())
        {
            return Some(job);
        }
        self.answer(job, answer);
        None
    }

    /// What a message on a connection of its own came to. Where it was taken, the others follow.
    fn judge(&mut self, Trial { job, answer, connector, channel }: Trial) {
        let target = job.message.target().to_owned();
        match (answer, channel) {
            (BrokerAnswer::Taken | BrokerAnswer::Returned, Some(channel)) => {
                warn!(target, "refused here and taken on a new connection, which takes over");
                self.channel = channel;
                self.generation += 1;
                close(std::mem::replace(&mut self.connector, connector), self.confirm_timeout);
            }
            (answer, _) => {
                warn!(target, ?answer, "refused here, and not taken on a new connection either");
                let cause =
                    if answer == BrokerAnswer::Refused { RefusalCause::Full } else { RefusalCause::Trouble };
                locked(&self.refusals).found(&target, Instant::now(), cause);
                close(connector, Duration::ZERO);
            }
        }
        self.answer(job, answer);
    }

    fn answer(&self, job: Job, answer: BrokerAnswer) {
        let target = job.message.target();
        let mut refusals = locked(&self.refusals);
        let result = match answer {
            BrokerAnswer::Taken | BrokerAnswer::Returned => {
                refusals.taken(target);
                if answer == BrokerAnswer::Taken { Ok(()) } else { Err(PublishError::Unroutable) }
            }
            BrokerAnswer::Refused => match refusals.refused(target, Instant::now()) {
                RefusalCause::Full => Err(PublishError::Full),
                RefusalCause::Trouble => Err(PublishError::Unavailable),
            },
            BrokerAnswer::Silence => {
                refusals.found(target, Instant::now(), RefusalCause::Trouble);
                Err(PublishError::Unavailable)
            }
            BrokerAnswer::Lost => Err(PublishError::Unavailable),
        };
        drop(refusals);
        job.conclude(result);
    }
}

/// Closes a connection that is not published on any more, once what is in flight there is answered or given up.
fn close(connector: Connector, after: Duration) {
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        connector.close().await;
    });
}

/// Publishes one message on a connection of its own.
async fn attempt(connector: Connector, job: Job, limit: Duration) -> Trial {
    let channel = open(&connector).await.ok();
    let answer = match &channel {
        None => BrokerAnswer::Silence,
        Some(channel) => match timeout(limit, write(channel, &job.message)).await {
            Ok(Ok(confirm)) => answer_to(confirm, limit).await,
            _ => BrokerAnswer::Silence,
        },
    };
    Trial { job, answer, connector, channel }
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

async fn settle(job: Job, confirm: PublisherConfirm, generation: u32, limit: Duration) -> AnsweredJob {
    AnsweredJob { job, answer: answer_to(confirm, limit).await, generation }
}

async fn answer_to(confirm: PublisherConfirm, limit: Duration) -> BrokerAnswer {
    match timeout(limit, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => BrokerAnswer::Taken,
        // A mandatory message that no queue takes comes back together with an ack.
        Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested)) => BrokerAnswer::Returned,
        Ok(Ok(Confirmation::Nack(_))) => BrokerAnswer::Refused,
        Ok(Err(_)) => BrokerAnswer::Lost,
        Err(_) => BrokerAnswer::Silence,
    }
}

//! What comes after the commit: publish what follows from a batch, wait for the confirms, then acknowledge.
//!
//! While one batch is being finished the next one is being applied, so that neither the database nor the broker waits
//! for the other. Batches are finished in order, because one acknowledgement covers everything before it.

use holdfast::broker::connection::{Connector, within};
use holdfast::broker::envelope::{Incoming, Outgoing};
use holdfast::broker::publisher::PublishError;
use holdfast::clock;

use holdfast::retry::{Backoff, message_delay};
use lapin::Channel;
use lapin::options::BasicAckOptions;
use metrics::counter;
use tokio::sync::mpsc;
use tracing::{debug, field, warn};

use crate::pause;
use crate::runner::{BROKER_CEILING, BROKER_TIMEOUT, Context, Ended};
use crate::traces::Follows;
use crate::worker::Verdict;

/// A batch whose transaction has been committed.
pub(crate) struct Settled {
    /// Every message and what becomes of it.
    pub(crate) judged: Vec<(Incoming, Verdict)>,
    /// What follows from it.
    pub(crate) follows: Follows,
    /// The delivery tag of the last message.
    pub(crate) last_tag: u64,
}

/// Finishes the batches of one channel.
pub(crate) struct Finisher<'a> {
    pub(crate) queue: &'a str,
    pub(crate) context: &'a Context,
    pub(crate) connector: &'a Connector,
    pub(crate) channel: &'a Channel,
}

impl Finisher<'_> {
    /// Finishes one batch after the other until there are no more.
    pub(crate) async fn run(self, mut settled: mpsc::Receiver<Settled>) -> Result<(), Ended> {
        while let Some(batch) = settled.recv().await {
            self.finish(batch).await?;
        }
        Ok(())
    }

    async fn finish(&self, batch: Settled) -> Result<(), Ended> {
        let now = clock::now();
        let mut done = 0;
        let mut follow = Vec::new();
        for (incoming, verdict) in &batch.judged {
            done += usize::from(*verdict == Verdict::Done);
            follow.extend(self.follow(incoming, verdict));
        }
        self.count("done", done);
        follow.extend(batch.follows.wake_ups.into_iter().map(|(trace, wake_up)| wake_up.message(now, trace)));
        follow.extend(
            batch.follows.unsettled.into_iter().map(|(trace, unsettled)| unsettled.message(now, trace)),
        );
        self.publish(follow).await?;
        pause::point("after_publish").await;

        // One consumer per channel: every delivery up to this tag belongs to this batch or an earlier one.
        let options = BasicAckOptions { multiple: true };
        within(BROKER_TIMEOUT, self.channel.basic_ack(batch.last_tag, options)).await?;
        Ok(())
    }

    /// What has to be published because of a verdict.
    fn follow(&self, incoming: &Incoming, verdict: &Verdict) -> Option<Outgoing> {
        match verdict {
            Verdict::Done => None,
            Verdict::Retry { why, limit } if incoming.attempt >= *limit => {
                Some(self.dead(incoming, "gave_up", &format!("{why} after {limit} retries")))
            }
            Verdict::Retry { .. } => {
                self.count("retry", 1);
                Some(Outgoing::retry(incoming, message_delay(incoming.attempt + 1)))
            }
            Verdict::Later { why, after } => {
                debug!(queue = self.queue, message_id = incoming.message_id(), why, "tried again later");
                self.count("retry", 1);
                // It is no attempt that failed: a later verdict with a limit starts to count there.
                Some(Outgoing::again(incoming, incoming.attempt, *after))
            }
            Verdict::NotBefore { due_at, attempts } => {
                self.count("later", 1);
                let delay = (*due_at - clock::now()).to_std().unwrap_or_default();
                Some(Outgoing::again(incoming, *attempts, delay))
            }
            Verdict::Dead { class, reason } => Some(self.dead(incoming, class, reason)),
        }
    }

    fn count(&self, outcome: &'static str, messages: usize) {
        let queue = self.queue.to_owned();
        counter!("holdfast_messages_total", "queue" => queue, "outcome" => outcome)
            .increment(messages as u64);
    }

    fn dead(&self, incoming: &Incoming, class: &str, reason: &str) -> Outgoing {
        self.count("dead", 1);
        let trace_id = incoming.trace().map(|trace| field::display(trace.trace_id()));
        warn!(queue = self.queue, message_id = incoming.message_id(), trace_id, class, reason, "dead letter");
        Outgoing::dead(incoming, class, reason)
    }

    /// Publishes until the broker has confirmed everything, as long as the deliveries are still ours.
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<(), Ended> {
        let mut backoff = Backoff::with_ceiling(BROKER_CEILING);
        while !messages.is_empty() {
            let Err(error) = self.context.publisher.publish_all(messages.clone()).await else { break };
            warn!(queue = self.queue, %error, "cannot publish what follows a batch, trying again");
            if !self.channel.status().connected() {
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

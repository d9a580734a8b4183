//! What comes after the commit: publish what follows from a batch, wait for the confirms, then acknowledge.
//!
//! While one batch is being finished the next one is being applied, so that neither the database nor the broker waits
//! for the other. Batches are finished in order, because one acknowledgement covers everything before it.
//!
//! Each confirm is remembered: only what was not confirmed is published again. What the broker refuses for good holds up
//! nobody else: what the sweeper finds again is left to it, and a message without a place goes back to its queue.

use std::time::{Duration, Instant};

use holdfast::broker::connection::{Connector, within};
use holdfast::broker::envelope::{Incoming, Outgoing};
use holdfast::broker::publisher::PublishError;
use holdfast::clock;
use holdfast::retry::{Backoff, message_delay, slow_delay};
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use metrics::counter;
use tokio::sync::mpsc;
use tracing::{debug, field, warn};

use super::context::{BROKER_CEILING, BROKER_TIMEOUT, Context, Ended};
use super::stop_points;
use super::traces::Follows;
use super::worker::Verdict;

/// A batch whose transaction has been committed.
pub(crate) struct Settled {
    /// Every message and what becomes of it.
    pub(crate) judged: Vec<(Incoming, Verdict)>,
    /// What follows from it.
    pub(crate) follows: Follows,
    /// The delivery tag of the last message.
    pub(crate) last_tag: u64,
    /// When it was settled: what was left of times then.
    pub(crate) at: Instant,
}

/// So often the broker may refuse what follows from a batch and is found again, about a second and a half …
const REFUSALS_OF_FOLLOWERS: u32 = 4;
/// … and so often what becomes of a message, about seven seconds.
const REFUSALS_OF_MESSAGES: u32 = 8;
/// An exchange that is gone costs the channel and shows as an unavailable broker: it is declared again now and then.
const DECLARE_EVERY: u32 = 4;

/// What is to be published, and what becomes of it if the broker refuses.
struct Leaving {
    message: Outgoing,
    /// The delivery that it takes the place of; without one it is a call that the sweeper can make as well.
    in_place_of: Option<u64>,
    refusals: u32,
}

impl Leaving {
    fn follower(message: Outgoing) -> Self {
        Self { message, in_place_of: None, refusals: 0 }
    }

    fn is_refused_for_good(&self) -> bool {
        let limit = if self.in_place_of.is_some() { REFUSALS_OF_MESSAGES } else { REFUSALS_OF_FOLLOWERS };
        self.refusals >= limit
    }
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
        let (now, passed) = (clock::now(), batch.at.elapsed());
        let mut done = 0;
        let mut leaving = Vec::new();
        for (incoming, verdict) in &batch.judged {
            done += usize::from(*verdict == Verdict::Done);
            let in_place_of = Some(incoming.delivery_tag);
            let message = self.follow(incoming, verdict, passed);
            leaving.extend(message.map(|message| Leaving { message, in_place_of, refusals: 0 }));
        }
        self.count("done", done);
        let wake_ups = batch.follows.wake_ups.into_iter();
        leaving.extend(wake_ups.map(|(trace, call)| Leaving::follower(call.message(passed, now, trace))));
        let unsettled = batch.follows.unsettled.into_iter();
        leaving.extend(unsettled.map(|(trace, money)| Leaving::follower(money.message(now, trace))));
        let homeless = self.publish(leaving).await?;
        stop_points::point("after_publish").await;

        for tag in homeless {
            let options = BasicNackOptions { multiple: false, requeue: true };
            within(BROKER_TIMEOUT, self.channel.basic_nack(tag, options)).await?;
        }
        // One consumer per channel: every delivery up to this tag belongs to this batch or an earlier one.
        let options = BasicAckOptions { multiple: true };
        within(BROKER_TIMEOUT, self.channel.basic_ack(batch.last_tag, options)).await?;
        Ok(())
    }

    /// What has to be published because of a verdict that was given so long ago.
    fn follow(&self, incoming: &Incoming, verdict: &Verdict, passed: Duration) -> Option<Outgoing> {
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
            Verdict::NotBefore { left, attempts } => {
                self.count("later", 1);
                Some(Outgoing::again(incoming, *attempts, left.saturating_sub(passed)))
            }
            Verdict::TooSlow { reason } => match slow_delay(incoming.slow_tries) {
                // Where dead letters are collected, none may die once more: they wait until they can be stored.
                None if !incoming.is_dead_letter() => {
                    let tries = incoming.slow_tries + 1;
                    Some(self.dead(incoming, "too_slow", &format!("{reason}, alone and {tries} times")))
                }
                delay => {
                    self.count("slow", 1);
                    Some(Outgoing::slow(incoming, delay.unwrap_or_default()))
                }
            },
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

    /// Publishes until the broker has confirmed everything but what it refuses for good, as long as the deliveries are
    /// still ours. Returns the deliveries for which there is no place.
    async fn publish(&self, mut leaving: Vec<Leaving>) -> Result<Vec<u64>, Ended> {
        let mut backoff = Backoff::with_ceiling(BROKER_CEILING);
        let mut homeless = vec![];
        for round in 1.. {
            let messages = leaving.iter().map(|leaving| leaving.message.clone()).collect();
            let answers = self.context.publisher.publish_each(messages).await;
            let mut error = None;
            leaving = leaving
                .into_iter()
                .zip(answers)
                .filter_map(|(mut left, answer)| {
                    let refused = answer.err()?;
                    error = error.max(Some(refused));
                    left.refusals += u32::from(refused != PublishError::Unavailable);
                    if !left.is_refused_for_good() {
                        return Some(left);
                    }
                    warn!(queue = self.queue, to = left.message.destination(), error = %refused, "the broker refuses it for good");
                    homeless.extend(left.in_place_of);
                    None
                })
                .collect();
            if leaving.is_empty() {
                break;
            }
            let Some(error) = error else { break };
            warn!(queue = self.queue, %error, left = leaving.len(), "cannot publish what follows a batch, trying again");
            if !self.channel.status().connected() {
                return Err(Ended::ConsumerGone);
            }
            if error == PublishError::Unroutable || round % DECLARE_EVERY == 0 {
                self.context.topology.declare(self.connector).await?;
            }
            tokio::select! {
                () = backoff.wait() => {}
                () = self.context.stop.cancelled() => return Err(Ended::Stopped),
            }
        }
        Ok(homeless)
    }
}

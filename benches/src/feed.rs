//! Putting commands into their queues: as fast as the confirms allow, or at a fixed rate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast::broker::connection::Connector;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::Publisher;
use holdfast::clock;
use holdfast::message::Command;
use tokio::time::{Instant, sleep, sleep_until};

use crate::orders::Orders;
use crate::progress::Progress;
use crate::stage::Stage;

/// Publishes waiting for their confirm.
const WINDOW: usize = 2_000;
/// How far [`Feed::pour_in_step`] gets ahead of the workers, and how often it looks.
const LEAD: u64 = 10_000;
const LOOK: Duration = Duration::from_millis(20);

/// Puts commands into their queues.
pub(crate) struct Feed {
    publisher: Publisher,
}

impl Feed {
    pub(crate) async fn open(stage: &Stage) -> Self {
        let connector = Connector::new(&stage.amqp_url, "holdfast-bench feed");
        let publisher = Publisher::start(connector, Duration::from_secs(30));
        publisher.wait_until_connected().await;
        Self { publisher }
    }

    /// Publishes one command and waits for its confirm.
    pub(crate) async fn give(&self, command: &impl Command) -> anyhow::Result<()> {
        let message = Outgoing::command(command, clock::now(), None);
        self.publisher.publish(message).await.context("the broker refused a command")
    }

    /// Publishes orders as fast as the confirms allow: so many, or until `enough` says so. Returns how many.
    pub(crate) async fn pour(
        &self,
        orders: Orders,
        count: usize,
        enough: impl Fn() -> bool,
        progress: &mut Progress,
    ) -> anyhow::Result<u64> {
        self.pour_through(&Gate::default(), orders, count, enough, progress).await
    }

    /// The same while the workers run, without getting far ahead of them: a queue that grows without end is no
    /// steady state, and filling it takes the time that emptying it needs.
    pub(crate) async fn pour_in_step(
        &self,
        stage: &Stage,
        orders: Orders,
        count: usize,
        enough: impl Fn() -> bool,
        progress: &mut Progress,
    ) -> anyhow::Result<u64> {
        let gate = Gate::default();
        tokio::select! {
            poured = self.pour_through(&gate, orders, count, enough, progress) => poured,
            failed = gate.keep(stage) => failed,
        }
    }

    async fn pour_through(
        &self,
        gate: &Gate,
        orders: Orders,
        count: usize,
        enough: impl Fn() -> bool,
        progress: &mut Progress,
    ) -> anyhow::Result<u64> {
        let pouring = stream::iter(0..count)
            .then(async |_| gate.pass().await)
            .take_while(|()| std::future::ready(!enough()))
            .map(async |()| self.give(&orders.next()?.command()?).await)
            .buffer_unordered(WINDOW);
        tokio::pin!(pouring);
        let mut given = 0;
        while pouring.try_next().await?.is_some() {
            given += 1;
            if given % 10_000 == 0 {
                progress.count("orders published", given);
            }
        }
        Ok(given)
    }

    /// Publishes orders, so many at a time, each as soon as another is confirmed. Returns how many per second.
    pub(crate) async fn closed_loop(
        &self,
        orders: Orders,
        in_flight: usize,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let started = Instant::now();
        let given = stream::repeat(())
            .take_while(|()| std::future::ready(started.elapsed() < time))
            .map(async |()| self.give(&orders.next()?.command()?).await)
            .buffer_unordered(in_flight)
            .try_fold(0_u64, async |given, ()| Ok(given + 1))
            .await?;
        Ok(given as f64 / started.elapsed().as_secs_f64())
    }

    /// Publishes `count` commands, one every `1 / rate` seconds from `start` on, whatever becomes of the others.
    pub(crate) async fn pace<C: Command>(
        &self,
        start: Instant,
        rate: f64,
        count: u64,
        command: impl Fn(u64) -> anyhow::Result<C>,
    ) -> anyhow::Result<()> {
        let pacing = stream::iter(0..count)
            .then(async |number| {
                sleep_until(start + Duration::from_secs_f64(number as f64 / rate)).await;
                number
            })
            .map(async |number| self.give(&command(number)?).await)
            .buffer_unordered(WINDOW);
        tokio::pin!(pacing);
        while pacing.try_next().await?.is_some() {}
        Ok(())
    }
}

/// Closed while too many messages wait.
#[derive(Default)]
struct Gate {
    closed: AtomicBool,
}

impl Gate {
    async fn pass(&self) {
        while self.closed.load(Ordering::Relaxed) {
            sleep(LOOK / 4).await;
        }
    }

    /// Opens and closes until dropped, or until the queue cannot be looked at.
    async fn keep<T>(&self, stage: &Stage) -> anyhow::Result<T> {
        loop {
            self.closed.store(stage.depth("order.hold").await? > LEAD, Ordering::Relaxed);
            sleep(LOOK).await;
        }
    }
}

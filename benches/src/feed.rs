//! Putting commands into their queues: as fast as the confirms allow, or at a fixed rate.

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
/// How far [`Feed::pour_gently`] gets ahead of the workers.
const LEAD: u64 = 20_000;

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
        let mut pouring = stream::iter(0..count)
            .take_while(|_| std::future::ready(!enough()))
            .map(async |_| self.give(&orders.next()?.command()?).await)
            .buffer_unordered(WINDOW);
        let mut given = 0;
        while pouring.try_next().await?.is_some() {
            given += 1;
            if given % 10_000 == 0 {
                progress.count("orders published", given);
            }
        }
        Ok(given)
    }

    /// Publishes so many orders without letting the queue grow long: the workers must be running.
    pub(crate) async fn pour_gently(
        &self,
        stage: &Stage,
        orders: Orders,
        count: usize,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(usize::try_from(LEAD / 2)?);
            self.pour(orders, now, || false, &mut Progress::silent()).await?;
            left -= now;
            progress.count("orders published", (count - left) as u64);
            while stage.depth("order.hold").await? > LEAD / 2 {
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
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

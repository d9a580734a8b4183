//! Orders out of thin air, and publishing them with many in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast::broker::connection::Connector;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::Publisher;
use holdfast::clock;
use holdfast::domain::ids::{CustomerId, IdempotencyKey, OrderId, SkuCode};
use holdfast::domain::items::{HoldSeconds, Quantity, RequestedItem, RequestedItems};
use holdfast::message::{Command, HoldOrder, Version};

use crate::progress::Progress;
use crate::stage::Stage;

/// Publishes waiting for their confirm.
const WINDOW: usize = 2_000;
/// Random customers come out of so many that no limit of a customer is ever met.
const CUSTOMERS: u64 = 1_000_000_000;

/// What orders look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    /// Orders name one of so many SKUs.
    pub(crate) skus: u32,
    pub(crate) hold_seconds: i64,
}

impl Orders {
    /// A new order of one unit.
    pub(crate) fn next(self) -> anyhow::Result<HoldOrder> {
        self.of(&format!("customer-{}", fastrand::u64(..CUSTOMERS)))
    }

    /// A new order of this customer.
    pub(crate) fn of(self, customer: &str) -> anyhow::Result<HoldOrder> {
        let customer_id = CustomerId::parse(customer)?;
        let key = IdempotencyKey::parse(format!("{:016x}", fastrand::u64(..)))?;
        let sku = SkuCode::parse(format!("sku-{}", fastrand::u32(1..=self.skus)))?;
        let items = RequestedItems::parse(vec![RequestedItem { sku, quantity: Quantity::parse(1)? }])?;
        let hold_seconds = HoldSeconds::parse(self.hold_seconds)?;
        Ok(HoldOrder {
            version: Version,
            order_id: OrderId::derive(&customer_id, &key),
            customer_id,
            fingerprint: items.fingerprint(hold_seconds),
            items,
            hold_seconds,
        })
    }
}

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
        self.publisher.publish(message).await.context("the broker refused an order")
    }

    /// Publishes orders as fast as the confirms allow: so many, or until `enough` says so.
    pub(crate) async fn pour(
        &self,
        orders: Orders,
        count: usize,
        enough: impl Fn() -> bool,
        progress: &mut Progress,
    ) -> anyhow::Result<u64> {
        let given = AtomicU64::new(0);
        let mut pouring = stream::iter(0..count)
            .take_while(|_| std::future::ready(!enough()))
            .map(async |_| self.give(&orders.next()?).await)
            .buffer_unordered(WINDOW);
        while pouring.try_next().await?.is_some() {
            if given.fetch_add(1, Ordering::Relaxed) % 10_000 == 0 {
                progress.count("orders published", given.load(Ordering::Relaxed));
            }
        }
        Ok(given.into_inner())
    }
}

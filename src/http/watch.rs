//! Who waits for an order hears of its changes here: each API process listens to the published facts on an exclusive
//! queue. A call only says "look again"; the table says what is so. A lost call costs time, never truth.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::Channel;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::rates::Rates;
use crate::broker::BrokerError;
use crate::broker::connection::{Connector, within};
use crate::broker::topology::{EVENTS, Topology};
use crate::domain::ids::{CustomerId, OrderId};
use crate::retry::Backoff;

const CEILING: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(10);
const PREFETCH: u16 = 200;
/// A process that cannot keep up forgets the oldest calls; waiting callers look at the table at their deadline.
const MAX_WAITING_CALLS: i64 = 10_000;
/// The fact that an order was refused.
const REFUSED: &str = "holdfast.order.refused";

/// The orders somebody waits for.
#[derive(Clone, Default)]
pub struct Watch {
    orders: Arc<Mutex<HashMap<OrderId, watch::Sender<()>>>>,
}

impl Watch {
    /// Starts to wait. Subscribe before looking at the table, so that no change falls in between.
    pub fn subscribe(&self, order: OrderId) -> Subscription {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = orders.entry(order).or_insert_with(|| watch::channel(()).0).subscribe();
        Subscription { watch: self.clone(), order, changes }
    }

    fn call(&self, order: OrderId) {
        if let Some(waiting) = self.orders.lock().unwrap_or_else(PoisonError::into_inner).get(&order) {
            waiting.send_replace(());
        }
    }

    fn call_everyone(&self) {
        for waiting in self.orders.lock().unwrap_or_else(PoisonError::into_inner).values() {
            waiting.send_replace(());
        }
    }
}

/// Somebody who waits for an order.
pub struct Subscription {
    watch: Watch,
    order: OrderId,
    changes: watch::Receiver<()>,
}

impl Subscription {
    /// Waits until the order may have changed.
    pub async fn changed(&mut self) {
        // The sender lives in the map until the last subscription is dropped, and this is one.
        let _ = self.changes.changed().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut orders = self.watch.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.get(&self.order).is_some_and(|waiting| waiting.receiver_count() == 1) {
            orders.remove(&self.order);
        }
    }
}

/// Listens until told to stop; a lost connection is opened again, and everyone who waits is told to look. Refused orders
/// are counted.
pub async fn listen(
    watch: Watch,
    rates: Rates,
    connector: Connector,
    topology: Topology,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::with_ceiling(CEILING);
    while !stop.is_cancelled() {
        let listening = async {
            let lost = listen_on(&connector.channel().await?, &watch, &rates, &mut backoff).await;
            if lost.is_err() {
                // A broker that lost its data has no exchange to bind to.
                topology.declare(&connector).await?;
            }
            lost
        };
        if let Some(Err(error)) = stop.run_until_cancelled(listening).await {
            warn!(%error, "cannot listen to events now");
        }
        stop.run_until_cancelled(backoff.wait()).await;
    }
    connector.close().await;
}

async fn listen_on(
    channel: &Channel,
    watch: &Watch,
    rates: &Rates,
    backoff: &mut Backoff,
) -> Result<(), BrokerError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(MAX_WAITING_CALLS));
    let exclusive =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = within(TIMEOUT, channel.queue_declare("".into(), exclusive, arguments)).await?;
    let (name, none) = (queue.name().clone(), FieldTable::default());
    let bound = channel.queue_bind(
        name.clone(),
        EVENTS.into(),
        "#".into(),
        QueueBindOptions::default(),
        none.clone(),
    );
    within(TIMEOUT, bound).await?;
    within(TIMEOUT, channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = within(TIMEOUT, channel.basic_consume(name, "".into(), options, none)).await?;
    info!("listening to events");
    backoff.reset();
    watch.call_everyone();
    while let Some(delivery) = consumer.next().await {
        for fact in facts(&delivery?.data) {
            if let Some(customer) = fact.refused() {
                rates.note_refused(&customer);
            }
            watch.call(fact.subject);
        }
    }
    Ok(())
}

/// What is read of a fact.
#[derive(Deserialize)]
struct Fact<'a> {
    subject: OrderId,
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Fact<'_> {
    /// Whose order was refused, if this tells that.
    fn refused(&self) -> Option<CustomerId> {
        #[derive(Deserialize)]
        struct Refused {
            customer_id: CustomerId,
        }
        let data = self.data.filter(|_| self.kind == REFUSED)?;
        serde_json::from_str::<Refused>(data.get()).ok().map(|refused| refused.customer_id)
    }
}

/// The facts of a batch.
fn facts(body: &[u8]) -> Vec<Fact<'_>> {
    serde_json::from_slice(body).unwrap_or_default()
}

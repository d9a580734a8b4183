//! Who waits for an order hears of its changes here: each API process listens to the published facts on an exclusive
//! queue. A call only says "look again"; the table says what is so. A lost call costs time, never truth. Those who wait for
//! one order look together.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use lapin::Channel;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::error::ApiError;
use super::looks::{Answers, Facts, Looks};
use super::rates::Rates;
use super::together::Need;
use crate::broker::BrokerError;
use crate::broker::connection::{Connector, within};
use crate::broker::topology::{EVENTS, Topology};
use crate::domain::ids::{CommandId, CustomerId, OrderId};
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
    orders: Arc<Mutex<HashMap<OrderId, Arc<Watched>>>>,
    is_for_operators: bool,
}

/// An order somebody waits for.
struct Watched {
    /// When it was called last.
    calls: watch::Sender<Instant>,
    looks: Looks,
    /// Operators look on connections of their own, and nobody is to wait for those.
    looks_of_operators: Looks,
}

impl Watched {
    fn new() -> Arc<Self> {
        let calls = watch::channel(Instant::now()).0;
        Arc::new(Self { calls, looks: Looks::default(), looks_of_operators: Looks::default() })
    }

    fn call(&self) {
        self.calls.send_replace(Instant::now());
    }
}

impl Watch {
    /// The same for operators, who hear of the same calls and look by themselves.
    pub fn for_operators(&self) -> Self {
        Self { is_for_operators: true, ..self.clone() }
    }

    /// Starts to wait. Subscribe before looking at the table, so that no change falls in between.
    pub fn subscribe(&self, order: OrderId) -> Subscription {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = orders.entry(order).or_insert_with(Watched::new).clone();
        let calls = watched.calls.subscribe();
        // Not before: what is called from now on is heard, and what was called so far must be seen.
        let now = Instant::now();
        let need = Need::Since(now);
        Subscription { watch: self.clone(), order, watched, calls, command: None, need, known: now }
    }

    fn call(&self, order: OrderId) {
        if let Some(watched) = self.orders.lock().unwrap_or_else(PoisonError::into_inner).get(&order) {
            watched.call();
        }
    }

    fn call_everyone(&self) {
        self.orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .for_each(|watched| watched.call());
    }
}

/// Somebody who waits for an order.
pub struct Subscription {
    watch: Watch,
    order: OrderId,
    watched: Arc<Watched>,
    calls: watch::Receiver<Instant>,
    /// The command whose answer is awaited.
    command: Option<CommandId>,
    /// What the next look must be like.
    need: Need,
    /// When the look began whose findings are known.
    known: Instant,
}

impl Subscription {
    fn looks(&self) -> &Looks {
        if self.watch.is_for_operators { &self.watched.looks_of_operators } else { &self.watched.looks }
    }

    /// The same, waiting for the answer to a command.
    pub fn awaiting(mut self, command: Option<CommandId>) -> Self {
        if let Some(command) = command {
            self.looks().await_answer(command);
        }
        self.command = command;
        self
    }

    /// Waits until it is time to look: the order may have changed, what is known is older than `pause`, or the deadline is
    /// there. Whoever looks together with others is due together with them from then on.
    pub async fn due(&mut self, pause: Duration, deadline: Option<Instant>) {
        let known = std::mem::replace(&mut self.known, Instant::now());
        self.need = Need::After(known);
        let next = known + pause;
        let wake = deadline.map_or(next, |deadline| next.min(deadline));
        let called = timeout_at(wake, self.calls.changed()).await;
        self.known = Instant::now();
        // The sender lives in the map until the last subscription is dropped, and this is one.
        if let Ok(Ok(())) = called {
            self.need = Need::Since(*self.calls.borrow_and_update());
        } else if let Some(deadline) = deadline.filter(|deadline| *deadline <= next) {
            self.need = Need::Since(deadline);
        }
    }

    /// A look at what is awaited, shared with others who wait. `look` is told which commands to ask about.
    pub async fn answers<F>(
        &mut self,
        look: impl FnOnce(Vec<CommandId>) -> F,
    ) -> Result<Arc<Answers>, ApiError>
    where
        F: Future<Output = Result<Answers, ApiError>> + Send + 'static,
    {
        let looks = self.looks();
        let serves = |answers: &Answers| {
            self.command.is_none_or(|command| answers.commands.binary_search(&command).is_ok())
        };
        let look = looks.answers.look(self.need, serves, |_| look(looks.awaited())).await;
        self.known = look.began;
        look.found
    }

    /// A look at the facts after `last`, shared with others who follow. `look` is told after which fact to begin: never later,
    /// and where others begin as well if they know less.
    pub async fn facts<F>(&mut self, last: i64, look: impl FnOnce(i64) -> F) -> Result<Arc<Facts>, ApiError>
    where
        F: Future<Output = Result<Facts, ApiError>> + Send + 'static,
    {
        let begin = |before: Option<Arc<Facts>>| before.map_or(last, |before| before.last().min(last));
        let looking =
            self.looks().facts.look(self.need, |facts| facts.serve(last), |before| look(begin(before)));
        let look = looking.await;
        self.known = look.began;
        look.found
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(command) = self.command {
            self.looks().forget(command);
        }
        let mut orders = self.watch.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: of two who leave at once one must see that nobody is left.
        self.calls = watch::channel(Instant::now()).1;
        if orders.get(&self.order).is_some_and(|watched| watched.calls.receiver_count() == 0) {
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
    /// Whose order was refused, if this tells that. Who waited in vain has not asked for what there is not.
    fn refused(&self) -> Option<CustomerId> {
        #[derive(Deserialize)]
        struct Refused {
            customer_id: CustomerId,
            #[serde(default)]
            waiting_since: Option<DateTime<Utc>>,
        }
        let data = self.data.filter(|_| self.kind == REFUSED)?;
        let refused = serde_json::from_str::<Refused>(data.get()).ok();
        refused.filter(|refused| refused.waiting_since.is_none()).map(|refused| refused.customer_id)
    }
}

/// The facts of a batch.
fn facts(body: &[u8]) -> Vec<Fact<'_>> {
    serde_json::from_slice(body).unwrap_or_default()
}

//! `order.hold`: sets stock aside for new orders, or refuses them.

mod overdue;
mod waits;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::broker::envelope::Incoming;
use holdfast::domain::allocation::{Decision, Demand, allocate};
use holdfast::domain::ids::{OrderId, SkuCode, SkuId};
use holdfast::domain::limits::Limits;
use holdfast::domain::money::Won;
use holdfast::domain::order::{Hold, OrderState, OrderStep, Wait};
use holdfast::domain::refusal::Refusal;
use holdfast::domain::shelf::{Shelf, ShelfSku};
use holdfast::event::OrderEvent;
use holdfast::message::{HoldOrder, Queue};
use holdfast::store::events::NewEvent;
use holdfast::store::named_locks::{self, Named};
use holdfast::store::orders::new::{DecidedOrder, KnownOrder};
use holdfast::store::orders::{self, units_bought, usage};
use holdfast::store::payments::{self, NewPayment};
use holdfast::store::stock::{self, StockChange};
use holdfast::store::waiting;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Obstacle, Verdict, WakeUp, Worker, read_command,
};
use crate::steps::distinct::distinct;
use crate::steps::facts;
use crate::steps::release::{self, sold};
use overdue::OverdueSearch;
use waits::{Waits, wait_until};

/// How often lines are served for one batch, which is decided again each time, and how often without any effect.
const LINES_SERVED: u32 = 25;
const LINES_IN_VAIN: u32 = 3;

#[derive(Debug)]
pub struct HoldOrders {
    limits: Limits,
    batch_size: usize,
    /// Others were faster at the last try: the next one locks the stock before it looks, so that it is the last.
    overtaken: AtomicBool,
    overdue: OverdueSearch,
    /// How often lines were served for the batch that is being decided.
    lines_served: AtomicU32,
    lines_in_vain: AtomicU32,
}

impl Worker for HoldOrders {
    type Message = HoldOrder;

    fn queue(&self) -> String {
        Queue::OrderHold.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        let prefetch = u16::try_from(self.batch_size * 4).unwrap_or(u16::MAX);
        BatchLimits { messages: self.batch_size, weight: usize::MAX, prefetch }
    }

    fn read(&self, incoming: &Incoming) -> Result<HoldOrder, Verdict> {
        read_command(incoming)
    }

    fn subjects(&self, message: &HoldOrder, about: &mut dyn FnMut(Uuid)) {
        about(message.order_id.uuid());
    }

    async fn make_way(&self, tx: &mut PgConnection, obstacle: &Obstacle) -> sqlx::Result<()> {
        match obstacle {
            Obstacle::Overdue(orders) => release::expire_and_give_back(tx, orders).await.map(|_| ()),
            Obstacle::Lines(skus) => {
                let has_moved = release::serve_lines(tx, skus).await?;
                let in_vain = u32::from(!has_moved);
                self.lines_in_vain.fetch_add(in_vain, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<HoldOrder>],
    ) -> Result<Applied, ApplyError> {
        let customers = distinct(batch.iter().map(|delivered| delivered.message.customer_id.as_str()));
        let customers: Vec<&str> = customers.iter().map(String::as_str).collect();
        let now = named_locks::lock(tx, Named::Customers { at_most: self.batch_size }, &customers).await?;
        let ids: Vec<OrderId> = batch.iter().map(|delivered| delivered.message.order_id).collect();
        let sorted = sort_out(batch, orders::new::known(tx, &ids).await?);
        let mut due = sorted.due_again;

        if !sorted.fresh.is_empty() {
            let (decided, waits) = self.decide(tx, &customers, &sorted.fresh, now).await?;
            store(tx, &decided, now).await?;
            waiting::join(tx, &waits.waits).await?;
            if !stock::take(tx, &units_of(&decided), &waits.lines).await? {
                return Err(self.overtaken());
            }
            self.overtaken.store(false, Ordering::Relaxed);
            due.extend(decided.iter().filter_map(timer));
            hand_over_free(tx, decided, now).await?;
            self.overdue.batch_is_decided();
            self.lines_served.store(0, Ordering::Relaxed);
            self.lines_in_vain.store(0, Ordering::Relaxed);
        }
        Ok(Applied { verdicts: sorted.verdicts, wake_ups: WakeUp::group(due, now), ..Applied::default() })
    }
}

impl HoldOrders {
    /// A worker that lets a customer hold so much and takes so many messages at once; the rate hardly grows above 500.
    pub const fn new(limits: Limits, batch_size: usize) -> Self {
        Self {
            limits,
            batch_size,
            overtaken: AtomicBool::new(false),
            overdue: OverdueSearch::new(),
            lines_served: AtomicU32::new(0),
            lines_in_vain: AtomicU32::new(0),
        }
    }

    fn overtaken(&self) -> ApplyError {
        self.overtaken.store(true, Ordering::Relaxed);
        ApplyError::Overtaken
    }

    /// Decides who gets what, in the order of arrival, on stock as it stands now. Nothing is locked yet, so that
    /// batches work side by side: whether the stock is still there is asked at the very end.
    async fn decide<'a>(
        &self,
        tx: &mut PgConnection,
        customers: &[&str],
        fresh: &[&'a HoldOrder],
        now: DateTime<Utc>,
    ) -> Result<(Vec<DecidedOrder>, Waits), ApplyError> {
        let codes = distinct(fresh.iter().flat_map(|order| order.items.iter().map(|item| item.sku.as_str())));
        if self.overtaken.load(Ordering::Relaxed) {
            stock::lock_codes(tx, &codes).await?;
        }
        let mut shelf = stock::shelf(tx, &codes).await?;
        let contended = self.let_lines_go_first(&mut shelf, now)?;
        let counting_sales = counting_sales(fresh, &shelf);
        let mut usage = usage::of(tx, customers, &counting_sales, self.limits.max_live_holds).await?;
        let demand = |order: &&'a HoldOrder| Demand {
            customer: &order.customer_id,
            items: &order.items,
            expected_amount: order.expected_amount_won,
            wait_for: order.wait.map(|terms| terms.wait_for),
        };
        let demands: Vec<Demand<'_>> = fresh.iter().map(demand).collect();
        let decisions = allocate(&demands, &mut shelf, &mut usage, self.limits, now);

        let mut waits = Waits::default();
        let decided = fresh.iter().zip(decisions).map(|(order, decision)| {
            waits.add(order, &decision, (&shelf, &contended), now);
            begin(order, decision, now)
        });
        let decided: Vec<DecidedOrder> = decided.collect();
        self.look_again(tx, &decided, &waits, &shelf, now).await?;
        Ok((decided, waits))
    }

    /// Whoever waits in line for what is free comes before anybody new. Where that is not settled after some tries, as somebody
    /// else is at work on the line, there is nothing for this batch: of these SKUs.
    fn let_lines_go_first(&self, shelf: &mut Shelf, now: DateTime<Utc>) -> Result<Vec<SkuId>, ApplyError> {
        let first: Vec<SkuId> = shelf.values().filter(|sku| sku.has_turn(now)).map(|sku| sku.id).collect();
        if first.is_empty() {
            return Ok(first);
        }
        let in_vain = self.lines_in_vain.load(Ordering::Relaxed);
        if in_vain < LINES_IN_VAIN && self.lines_served.fetch_add(1, Ordering::Relaxed) < LINES_SERVED {
            return Err(ApplyError::InTheWay(Obstacle::Lines(first)));
        }
        shelf.values_mut().filter(|sku| first.contains(&sku.id)).for_each(|sku| sku.available = 0);
        Ok(first)
    }

    /// Whether those who got nothing could have got something: a hold past its time blocks nobody, as far as a batch may
    /// look. `left` is what was available after the batch was decided.
    async fn look_again(
        &self,
        tx: &mut PgConnection,
        decided: &[DecidedOrder],
        waits: &Waits,
        left: &Shelf,
        now: DateTime<Utc>,
    ) -> Result<(), ApplyError> {
        let mut short = short_skus(decided);
        short.extend(waits.short.iter().map(SkuCode::as_str));
        if short.is_empty() {
            return Ok(());
        }
        let skus: Vec<SkuId> =
            left.iter().filter(|(code, _)| short.contains(code.as_str())).map(|(_, sku)| sku.id).collect();
        let overdue = self.overdue.in_the_way(tx, &skus, now).await?;
        if !overdue.is_empty() {
            return Err(ApplyError::InTheWay(Obstacle::Overdue(overdue)));
        }
        // Overdue holds that are gone by now were released after the stock was read: their units are there.
        let taken = units_of(decided);
        let has_more = |(code, sku): (&SkuCode, &ShelfSku)| {
            let taken: i32 = taken.iter().filter(|(id, _)| *id == sku.id).map(|(_, units)| units).sum();
            !sku.has_turn(now) && left.get(code).is_none_or(|before| sku.available > before.available + taken)
        };
        let short: Vec<String> = short.into_iter().map(str::to_owned).collect();
        if stock::shelf(tx, &short).await?.iter().any(has_more) { Err(self.overtaken()) } else { Ok(()) }
    }
}

/// The beginning of an order's life.
fn begin(order: &HoldOrder, decision: Decision, now: DateTime<Utc>) -> DecidedOrder {
    let ((state, step), items, amount) = match decision {
        Decision::Held { items, amount } => {
            let expires_at = now + TimeDelta::seconds(order.hold_seconds.seconds().into());
            (OrderState::hold(Hold { began_at: now, expires_at, extension_count: 0 }), items, amount)
        }
        Decision::Waiting { items, amount, sale_from, .. } => {
            let until = wait_until(order, sale_from, now);
            (OrderState::wait(Wait { since: now, until }), items, amount)
        }
        Decision::Refused(refusal) => (OrderState::refuse(refusal), vec![], Won(0)),
    };
    let (id, fingerprint, customer_id) = (order.order_id, order.fingerprint, order.customer_id.clone());
    DecidedOrder { id, customer_id, fingerprint, items, amount, state, step }
}

/// When an order is to be looked at again, if it has to be paid.
fn timer(order: &DecidedOrder) -> Option<(DateTime<Utc>, OrderId)> {
    match order.state {
        OrderState::Held(hold) if order.amount > Won(0) => Some((hold.expires_at, order.id)),
        _ => None,
    }
}

/// A batch, sorted into what is new and what came before.
struct Sorted<'a> {
    verdicts: Vec<Verdict>,
    fresh: Vec<&'a HoldOrder>,
    /// Held already: the timer may never have been published, so it is published again.
    due_again: Vec<(DateTime<Utc>, OrderId)>,
}

fn sort_out(batch: &[Delivered<HoldOrder>], known: Vec<KnownOrder>) -> Sorted<'_> {
    let known: HashMap<OrderId, KnownOrder> = known.into_iter().map(|order| (order.id, order)).collect();
    let mut first_seen = HashMap::new();
    let mut sorted = Sorted { verdicts: Vec::with_capacity(batch.len()), fresh: vec![], due_again: vec![] };
    for Delivered { message, .. } in batch {
        let earlier = match known.get(&message.order_id) {
            Some(order) => {
                sorted.due_again.extend(order.held_until.map(|expires_at| (expires_at, order.id)));
                Some(order.fingerprint)
            }
            None => first_seen.insert(message.order_id, message.fingerprint),
        };
        if earlier.is_none() {
            sorted.fresh.push(message);
        }
        sorted.verdicts.push(match earlier {
            Some(fingerprint) if fingerprint != message.fingerprint => Verdict::Dead {
                class: "conflict",
                reason: "the idempotency key was used before for another request".to_owned(),
            },
            _ => Verdict::Done,
        });
    }
    sorted
}

/// Who orders which SKUs whose sales count against a limit: those with a limit of their own. What costs nothing is never on
/// hold, so without its sales nobody's share of it would be limited.
fn counting_sales<'a>(fresh: &[&'a HoldOrder], shelf: &Shelf) -> Vec<(&'a str, SkuId)> {
    let counts = |sku: &&ShelfSku| sku.max_per_customer.is_some() || sku.discount.apply(sku.price) == Won(0);
    let ordered = fresh.iter().flat_map(|order| {
        let skus = order.items.iter().filter_map(|item| shelf.get(&item.sku)).filter(counts);
        skus.map(|sku| (order.customer_id.as_str(), sku.id))
    });
    // Each once: what is counted twice would count double.
    ordered.collect::<BTreeSet<_>>().into_iter().collect()
}

fn short_skus(decided: &[DecidedOrder]) -> BTreeSet<&str> {
    let shortages = decided.iter().filter_map(|order| match &order.state {
        OrderState::Refused(Refusal::OutOfStock { shortages }) => Some(shortages),
        _ => None,
    });
    shortages.flatten().map(|shortage| shortage.sku.as_str()).collect()
}

async fn store(tx: &mut PgConnection, decided: &[DecidedOrder], now: DateTime<Utc>) -> sqlx::Result<()> {
    orders::new::insert(tx, decided, now).await?;
    let told: Vec<NewEvent> = decided.iter().filter_map(event).collect();
    facts::append(tx, &told).await
}

/// Orders that cost nothing are paid at once: nobody has to ask for it, and they never expire.
async fn hand_over_free(
    tx: &mut PgConnection,
    decided: Vec<DecidedOrder>,
    now: DateTime<Utc>,
) -> Result<(), ApplyError> {
    let free = decided.into_iter().filter(|order| order.amount == Won(0));
    let steps: Vec<(OrderId, OrderStep)> =
        free.filter_map(|order| Some((order.id, order.state.pay(now).ok()?.1))).collect();
    if steps.is_empty() {
        return Ok(());
    }
    let free: Vec<OrderId> = steps.iter().map(|(order, _)| *order).collect();
    let payments: Vec<NewPayment> = free.iter().map(|order| NewPayment::nothing(*order)).collect();
    let told: Vec<NewEvent> = payments
        .iter()
        .map(|NewPayment { id, order_id, amount, parts, .. }| NewEvent {
            order_id: *order_id,
            command_id: Some(*id),
            event: OrderEvent::Paid { payment_id: *id, amount_won: *amount, method: parts.method() },
        })
        .collect();
    if !payments::insert(tx, &payments).await? {
        return Err(ApplyError::Overtaken);
    }
    orders::advance(tx, steps).await?;
    stock::record_sales(tx, &free).await?;
    let units: Vec<StockChange> = sold(stock::units_of(tx, &free).await?).collect();
    stock::change(tx, &units).await?;
    units_bought::add(tx, &free).await?;
    facts::append(tx, &told).await?;
    Ok(())
}

fn units_of(decided: &[DecidedOrder]) -> Vec<(SkuId, i32)> {
    let held = decided.iter().filter(|order| matches!(order.state, OrderState::Held(_)));
    held.flat_map(|order| &order.items).map(|item| (item.sku_id, item.quantity)).collect()
}

fn event(order: &DecidedOrder) -> Option<NewEvent> {
    let customer_id = order.customer_id.clone();
    let event = match &order.state {
        OrderState::Held(Hold { expires_at, .. }) => {
            let (amount_won, expires_at) = (order.amount, *expires_at);
            OrderEvent::Held { customer_id, amount_won, expires_at, waiting_since: None }
        }
        OrderState::Waiting(Wait { until, .. }) => {
            OrderEvent::Waiting { customer_id, amount_won: order.amount, wait_until: *until }
        }
        OrderState::Refused(refusal) => {
            OrderEvent::Refused { customer_id, refusal: refusal.clone(), waiting_since: None }
        }
        // No life begins otherwise.
        _ => return None,
    };
    Some(NewEvent { order_id: order.id, command_id: Some(order.id.into()), event })
}

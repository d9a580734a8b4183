//! What the answers of a batch come to, and carrying it out: one statement per table.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::domain::card::{CardDecision, CardFinding, Case, Wanted, next};
use holdfast::domain::ids::{OrderId, SkuId};
use holdfast::domain::ledger::{LedgerEntry, Phase, capture, capture_reserved, void};
use holdfast::domain::order::{OrderState, OrderStatus, OrderStep};
use holdfast::domain::payment::Purses;
use holdfast::domain::refusal::DeclineReason;
use holdfast::event::OrderEvent;
use holdfast::store::events::NewEvent;
use holdfast::store::ledger::{self, Posting};
use holdfast::store::orders::{self, OrderRow, units_bought};
use holdfast::store::payments::by_card::{CardPayment, PaymentChange};
use holdfast::store::payments::{self, PaymentStatus};
use holdfast::store::stock::{self, StockChange};
use metrics::counter;
use sqlx::PgConnection;

use crate::engine::counted_at_commit;
use crate::engine::worker::{Unsettled, Verdict};
use crate::steps::ask_gateway::{GatewayAnswer, again, ask_on, some_more_times};
use crate::steps::facts;
use crate::steps::release::{self, sold};

/// What a batch does.
pub(super) struct ResolvePlan {
    orders: HashMap<OrderId, OrderRow>,
    now: DateTime<Utc>,
    /// After this time no call to the gateway is on its way any more.
    quiet: TimeDelta,
    /// What customers can spend, of those whose payments use purses.
    purses: HashMap<String, Purses>,
    changes: Vec<PaymentChange>,
    postings: Vec<Posting>,
    /// Orders that become paid.
    paid: Vec<(OrderId, OrderStep)>,
    /// Orders whose payment came to nothing: on hold again, or expired if their time is up meanwhile.
    freed: Vec<(OrderId, OrderStep)>,
    late: Vec<CardPayment>,
    told: Vec<NewEvent>,
}

impl ResolvePlan {
    pub(super) fn new(
        orders: HashMap<OrderId, OrderRow>,
        purses: HashMap<String, Purses>,
        now: DateTime<Utc>,
        quiet: TimeDelta,
    ) -> Self {
        Self {
            orders,
            now,
            quiet,
            purses,
            changes: vec![],
            postings: vec![],
            paid: vec![],
            freed: vec![],
            late: vec![],
            told: vec![],
        }
    }

    /// Decides one payment, and what becomes of its message.
    pub(super) fn decide(&mut self, payment: &CardPayment, answer: &GatewayAnswer) -> Verdict {
        let finding = &answer.finding;
        let Some(order) = self.orders.get_mut(&payment.order_id) else {
            return again("the order is not there", self.now - payment.created_at);
        };
        let not_found = *finding == CardFinding::NotFound;
        let case = Case {
            status: payment.status,
            wanted: Wanted::by_order(&order.state, self.now),
            not_found_count: payment.not_found_count + i32::from(not_found),
            age: answer.looked_at - payment.asked_at,
            quiet: self.quiet,
        };
        match next(case, finding) {
            CardDecision::Pay => match order.state.go(|order| order.capture(self.now)) {
                Some(step) => {
                    self.paid.push((order.id, step));
                    self.capture(payment, capture_reserved(payment.parts));
                }
                None => self.late.push(payment.clone()),
            },
            CardDecision::Late => self.late.push(payment.clone()),
            CardDecision::Decline(reason, code) => {
                if let Some(step) = order.state.go(OrderState::decline) {
                    self.freed.push((order.id, step));
                    self.post(payment, Phase::Voided, void(payment.parts));
                }
                self.decline(payment, reason, code);
            }
            CardDecision::Returned => {
                let (payment_id, amount_won) = (payment.id, payment.parts.card);
                self.change(payment, PaymentStatus::Returned);
                self.tell(payment, OrderEvent::PaymentReturned { payment_id, amount_won });
                count("returned");
            }
            CardDecision::AskAgain(open) => {
                self.changes.push(PaymentChange { not_found, ..changed(payment, open.into()) });
                return ask_on(open, self.now - payment.created_at);
            }
            CardDecision::LookAgain => return some_more_times("the gateway could not be asked"),
            CardDecision::Leave => {}
        }
        Verdict::Done
    }

    fn capture(&mut self, payment: &CardPayment, entries: Vec<LedgerEntry>) {
        let (payment_id, amount_won) = (payment.id, payment.amount);
        self.change(payment, PaymentStatus::Captured);
        self.post(payment, Phase::Posted, entries);
        let method = payment.parts.method();
        self.tell(payment, OrderEvent::Paid { payment_id, amount_won, method });
        count("captured");
    }

    fn post(&mut self, payment: &CardPayment, phase: Phase, entries: Vec<LedgerEntry>) {
        let customer_id = self.orders[&payment.order_id].customer_id.clone();
        self.postings.push(Posting { transaction: payment.id, phase, customer_id, entries });
    }

    fn decline(&mut self, payment: &CardPayment, reason: DeclineReason, code: Option<String>) {
        let declined = Some((reason, code.clone()));
        self.changes.push(PaymentChange { declined, ..changed(payment, PaymentStatus::Declined) });
        self.tell(payment, OrderEvent::PaymentDeclined { payment_id: payment.id, reason, code });
        count("declined");
    }

    fn change(&mut self, payment: &CardPayment, status: PaymentStatus) {
        self.changes.push(changed(payment, status));
    }

    fn tell(&mut self, payment: &CardPayment, event: OrderEvent) {
        self.told.push(NewEvent { order_id: payment.order_id, command_id: Some(payment.id), event });
    }

    fn tell_late(&mut self, payment: &CardPayment, paid: bool) {
        let (payment_id, amount_won) = (payment.id, payment.parts.card);
        self.tell(payment, OrderEvent::PaymentLate { payment_id, amount_won, paid });
        counted_at_commit::count(counter!("holdfast_late_payments_total"), 1);
    }

    /// Does it all. Returns the payments that are to go back.
    pub(super) async fn carry_out(mut self, tx: &mut PgConnection) -> sqlx::Result<Vec<Unsettled>> {
        // What a payment came to is told before what follows from it.
        facts::append(tx, &std::mem::take(&mut self.told)).await?;
        let mut available = self.lock_stock(tx).await?;
        let mut stock_changes = Vec::new();
        let returning = self.decide_late(tx, &mut available, &mut stock_changes).await?;
        // An order may be freed by one payment and paid by the late money of another.
        let freed = orders_of(&self.freed);
        if !freed.is_empty() {
            orders::advance(tx, std::mem::take(&mut self.freed)).await?;
            stock_changes.extend(release::expire(tx, &freed).await?);
        }
        let paid = orders_of(&self.paid);
        if !paid.is_empty() {
            // The units of an expired order are no longer set aside: they were taken as late.
            let is_set_aside = |(_, step): &&(OrderId, OrderStep)| step.from() != OrderStatus::Expired;
            let set_aside = orders_of(self.paid.iter().filter(is_set_aside));
            orders::advance(tx, std::mem::take(&mut self.paid)).await?;
            stock::record_sales(tx, &paid).await?;
            if !set_aside.is_empty() {
                stock_changes.extend(sold(stock::units_of(tx, &set_aside).await?));
            }
        }
        release::change_stock(tx, &stock_changes).await?;
        units_bought::add(tx, &paid).await?;
        payments::by_card::change(tx, &self.changes).await?;
        ledger::post(tx, &self.postings).await?;
        facts::append(tx, &self.told).await?;
        Ok(returning)
    }

    /// Locks every SKU of the batch at once, in order, and returns what is available of it.
    async fn lock_stock(&self, tx: &mut PgConnection) -> sqlx::Result<HashMap<SkuId, i32>> {
        let mut orders = orders_of(self.freed.iter().chain(&self.paid));
        orders.extend(self.late.iter().map(|payment| payment.order_id));
        if orders.is_empty() {
            return Ok(HashMap::new());
        }
        let skus: BTreeSet<SkuId> =
            stock::units_of(tx, &orders).await?.into_iter().map(|(sku_id, _)| sku_id).collect();
        stock::lock_available(tx, &skus.into_iter().collect::<Vec<_>>()).await
    }

    /// Money for orders that no longer waited for it: it pays where the units and the rest of the payment are still
    /// there, and goes back where not.
    async fn decide_late(
        &mut self,
        tx: &mut PgConnection,
        available: &mut HashMap<SkuId, i32>,
        stock_changes: &mut Vec<StockChange>,
    ) -> sqlx::Result<Vec<Unsettled>> {
        let late = std::mem::take(&mut self.late);
        if late.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<OrderId> = late.iter().map(|payment| payment.order_id).collect();
        let items = orders::items_of(tx, &ids).await?;
        let mut returning = Vec::new();
        for payment in late {
            let wanted: Vec<(SkuId, i32)> = items
                .iter()
                .filter(|(order, _)| *order == payment.order_id)
                .map(|(_, item)| (item.sku_id, item.quantity))
                .collect();
            let step = self.pay_late(&payment, &wanted, available);
            self.tell_late(&payment, step.is_some());
            let Some(step) = step else {
                self.change(&payment, PaymentStatus::Returning);
                returning.push(Unsettled::Payment(payment.id, payment.order_id));
                continue;
            };
            if step.from() == OrderStatus::Expired {
                for (sku_id, units) in wanted {
                    *available.entry(sku_id).or_default() -= units;
                    stock_changes.push(StockChange { sku_id, on_hand: -units, reserved: 0 });
                }
            }
            self.paid.push((payment.order_id, step));
            self.capture(&payment, capture(payment.parts));
        }
        Ok(returning)
    }

    /// The step by which a late payment can still pay its order, if any: while it is on hold for another try, or expired and
    /// its units are there. What it takes from purses was given back to them and must be there, too.
    fn pay_late(
        &mut self,
        payment: &CardPayment,
        wanted: &[(SkuId, i32)],
        available: &HashMap<SkuId, i32>,
    ) -> Option<OrderStep> {
        let order = self.orders.get_mut(&payment.order_id).expect("only decided payments are late");
        let is_there = |(sku, units): &(SkuId, i32)| available.get(sku).is_some_and(|left| left >= units);
        let has_units = match order.state {
            // This very batch ends its hold.
            OrderState::Held(hold) if hold.is_overdue(self.now) => {
                !self.freed.iter().any(|(freed, _)| *freed == order.id)
            }
            OrderState::Expired { .. } => wanted.iter().all(is_there),
            _ => true,
        };
        // Another amount than the order's was never asked for, whatever the gateway took.
        if !has_units || payment.parts.total() != Some(payment.amount) {
            return None;
        }
        let purses = self.purses.entry(order.customer_id.clone()).or_default();
        let left = purses.spend(payment.parts).ok()?;
        let step = order.state.go(|order| order.pay_late(self.now))?;
        *purses = left;
        Some(step)
    }
}

fn orders_of<'a>(steps: impl IntoIterator<Item = &'a (OrderId, OrderStep)>) -> Vec<OrderId> {
    steps.into_iter().map(|(order, _)| *order).collect()
}

fn count(outcome: &'static str) {
    counted_at_commit::count(counter!("holdfast_payments_total", "outcome" => outcome), 1);
}

fn changed(payment: &CardPayment, status: PaymentStatus) -> PaymentChange {
    PaymentChange { id: payment.id, status, not_found: false, declined: None }
}

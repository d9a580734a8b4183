//! What the answers of a batch come to, and carrying it out: one statement per table.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use holdfast::domain::card::{Case, Finding, Open, Step, next};
use holdfast::domain::ids::{CommandId, OrderId, SkuId};
use holdfast::domain::money::Won;
use holdfast::domain::order::OrderState;
use holdfast::domain::refusal::DeclineReason;
use holdfast::event::OrderEvent;
use holdfast::store::card_payments::{self, CardPayment, Change};
use holdfast::store::events::{self, NewEvent};
use holdfast::store::orders::{self, OrderRow, OrderStatus};
use holdfast::store::payments::PaymentStatus;
use holdfast::store::stock::{self, StockChange};
use metrics::counter;
use sqlx::PgConnection;

use super::{again, some_more_times};
use crate::confirm_payment::sold;
use crate::release;
use crate::worker::Verdict;

/// What a batch does.
pub(super) struct Plan {
    orders: HashMap<OrderId, OrderRow>,
    now: DateTime<Utc>,
    changes: Vec<Change>,
    captured: Vec<(CommandId, Won)>,
    /// Orders that become paid, whose units are still set aside, by the state they leave.
    paid: Vec<(OrderStatus, OrderId)>,
    /// Orders whose payment came to nothing: on hold again, or expired if their time is up meanwhile.
    freed: Vec<OrderId>,
    late: Vec<CardPayment>,
    told: Vec<NewEvent>,
}

impl Plan {
    pub(super) fn new(orders: HashMap<OrderId, OrderRow>, now: DateTime<Utc>) -> Self {
        Self {
            orders,
            now,
            changes: vec![],
            captured: vec![],
            paid: vec![],
            freed: vec![],
            late: vec![],
            told: vec![],
        }
    }

    /// Decides one payment, and what becomes of its message.
    pub(super) fn decide(&mut self, payment: &CardPayment, finding: &Finding) -> Verdict {
        let Some(order) = self.orders.get_mut(&payment.order_id) else {
            return again("the order is not there");
        };
        let not_found = *finding == Finding::NotFound;
        let case = Case {
            status: payment.status,
            order: &order.state,
            not_found_count: payment.not_found_count + i32::from(not_found),
            age: self.now - payment.asked_at,
            now: self.now,
        };
        let step = next(case, finding);
        match step {
            Step::Pay => {
                order.state = OrderState::Paid { paid_at: self.now };
                self.pay(payment, OrderStatus::Paying);
            }
            // A payment that was given up for lost, whose order waits for another try.
            Step::Late if matches!(order.state, OrderState::Held(_)) => {
                order.state = OrderState::Paid { paid_at: self.now };
                self.tell_late(payment, true);
                self.pay(payment, OrderStatus::Held);
            }
            Step::Late => self.late.push(payment.clone()),
            Step::Decline(reason, code) => {
                if let OrderState::Paying(hold) = order.state {
                    order.state = OrderState::Held(hold);
                    self.freed.push(payment.order_id);
                }
                self.decline(payment, reason, code);
            }
            Step::Returned => {
                let (payment_id, amount_won) = (payment.id, payment.amount);
                self.change(payment, PaymentStatus::Returned);
                self.tell(payment, OrderEvent::PaymentReturned { payment_id, amount_won });
                counter!("holdfast_payments_total", "outcome" => "returned").increment(1);
            }
            Step::AskAgain(open) => {
                self.changes.push(Change { not_found, ..changed(payment, status(open)) });
                return again("the gateway has given no definite answer");
            }
            Step::LookAgain => return some_more_times("the gateway could not be asked"),
            Step::Leave => {}
        }
        Verdict::Done
    }

    fn pay(&mut self, payment: &CardPayment, from: OrderStatus) {
        self.paid.push((from, payment.order_id));
        self.capture(payment);
    }

    fn capture(&mut self, payment: &CardPayment) {
        let (payment_id, amount_won) = (payment.id, payment.amount);
        self.change(payment, PaymentStatus::Captured);
        self.captured.push((payment_id, amount_won));
        self.tell(payment, OrderEvent::Paid { payment_id, amount_won, method: "card" });
        counter!("holdfast_payments_total", "outcome" => "captured").increment(1);
    }

    fn decline(&mut self, payment: &CardPayment, reason: DeclineReason, code: Option<String>) {
        let declined = Some((reason, code.clone()));
        self.changes.push(Change { declined, ..changed(payment, PaymentStatus::Declined) });
        self.tell(payment, OrderEvent::PaymentDeclined { payment_id: payment.id, reason, code });
        counter!("holdfast_payments_total", "outcome" => "declined").increment(1);
    }

    fn change(&mut self, payment: &CardPayment, status: PaymentStatus) {
        self.changes.push(changed(payment, status));
    }

    fn tell(&mut self, payment: &CardPayment, event: OrderEvent) {
        self.told.push(NewEvent { order_id: payment.order_id, command_id: Some(payment.id), event });
    }

    fn tell_late(&mut self, payment: &CardPayment, paid: bool) {
        let (payment_id, amount_won) = (payment.id, payment.amount);
        self.tell(payment, OrderEvent::PaymentLate { payment_id, amount_won, paid });
        counter!("holdfast_late_payments_total").increment(1);
    }

    /// Does it all. Returns the payments that are to go back.
    pub(super) async fn carry_out(
        mut self,
        tx: &mut PgConnection,
    ) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
        // What a payment came to is told before what follows from it.
        events::append(tx, &std::mem::take(&mut self.told)).await?;
        let mut available = self.lock_stock(tx).await?;
        let mut stock_changes = Vec::new();
        if !self.freed.is_empty() {
            orders::advance(tx, &self.freed, OrderStatus::Paying, OrderStatus::Held).await?;
            stock_changes = release::expire(tx, &self.freed).await?;
        }
        for from in [OrderStatus::Paying, OrderStatus::Held] {
            let paid: Vec<OrderId> =
                self.paid.iter().filter(|(state, _)| *state == from).map(|(_, order)| *order).collect();
            if paid.is_empty() {
                continue;
            }
            orders::advance(tx, &paid, from, OrderStatus::Paid).await?;
            stock::record_sales(tx, &paid).await?;
            stock_changes.extend(sold(stock::units_of(tx, &paid).await?));
        }
        let returning = self.settle_late(tx, &mut available, &mut stock_changes).await?;
        stock::change(tx, &stock_changes).await?;
        card_payments::change(tx, &self.changes).await?;
        if !self.captured.is_empty() {
            card_payments::record_captures(tx, &self.captured).await?;
        }
        events::append(tx, &self.told).await?;
        Ok(returning)
    }

    /// Locks every SKU of the batch at once, in order, and returns what is available of it.
    async fn lock_stock(&self, tx: &mut PgConnection) -> sqlx::Result<HashMap<SkuId, i32>> {
        let paid = self.paid.iter().map(|(_, order)| *order);
        let late = self.late.iter().map(|payment| payment.order_id);
        let orders: Vec<OrderId> = self.freed.iter().copied().chain(paid).chain(late).collect();
        if orders.is_empty() {
            return Ok(HashMap::new());
        }
        let skus: BTreeSet<SkuId> =
            stock::units_of(tx, &orders).await?.into_iter().map(|(sku_id, _)| sku_id).collect();
        stock::lock_available(tx, &skus.into_iter().collect::<Vec<_>>()).await
    }

    /// Money for orders that expired: held again and paid where the units are still there, given back where not.
    async fn settle_late(
        &mut self,
        tx: &mut PgConnection,
        available: &mut HashMap<SkuId, i32>,
        stock_changes: &mut Vec<StockChange>,
    ) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
        let late = std::mem::take(&mut self.late);
        if late.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<OrderId> = late.iter().map(|payment| payment.order_id).collect();
        let items = orders::items_of(tx, &ids).await?;
        let mut paid = Vec::new();
        let mut returning = Vec::new();
        for payment in late {
            let wanted: Vec<_> = items
                .iter()
                .filter(|(order, _)| *order == payment.order_id)
                .map(|(_, item)| (item.sku_id, item.quantity))
                .collect();
            let order = self.orders.get_mut(&payment.order_id).expect("only decided payments are late");
            let fits = wanted.iter().all(|(sku, units)| available.get(sku).is_some_and(|left| left >= units));
            let pays = fits && matches!(order.state, OrderState::Expired { .. });
            if pays {
                order.state = OrderState::Paid { paid_at: self.now };
            }
            self.tell_late(&payment, pays);
            if pays {
                for (sku_id, units) in wanted {
                    *available.entry(sku_id).or_default() -= units;
                    stock_changes.push(StockChange { sku_id, on_hand: -units, reserved: 0 });
                }
                paid.push(payment.order_id);
                self.capture(&payment);
            } else {
                self.change(&payment, PaymentStatus::Returning);
                returning.push((payment.id, payment.order_id));
            }
        }
        orders::advance(tx, &paid, OrderStatus::Expired, OrderStatus::Paid).await?;
        stock::record_sales(tx, &paid).await?;
        Ok(returning)
    }
}

fn changed(payment: &CardPayment, status: PaymentStatus) -> Change {
    Change { id: payment.id, status, not_found: false, declined: None }
}

fn status(open: Open) -> PaymentStatus {
    match open {
        Open::Requesting => PaymentStatus::Requesting,
        Open::Unknown => PaymentStatus::Unknown,
        Open::Returning => PaymentStatus::Returning,
        Open::Declined => PaymentStatus::Declined,
    }
}

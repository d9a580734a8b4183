//! What a batch of payments comes to, and carrying it out: one statement per table.

use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::ledger::{Phase, capture, reserve};
use holdfast::domain::order::OrderStep;
use holdfast::domain::payment::{Parts, PaymentDecision};
use holdfast::event::OrderEvent;
use holdfast::message::ConfirmPayment;
use holdfast::store::events::NewEvent;
use holdfast::store::ledger::{self, Posting};
use holdfast::store::orders::{self, OrderRow, units_bought};
use holdfast::store::payments::{self, Begin, NewPayment};
use holdfast::store::stock;
use metrics::counter;
use sqlx::PgConnection;

use crate::engine::counted_at_commit;
use crate::engine::worker::{ApplyError, Unsettled};
use crate::steps::facts;
use crate::steps::release::{self, sold};

/// What a batch does.
#[derive(Default)]
pub(super) struct ConfirmPlan {
    payments: Vec<NewPayment>,
    postings: Vec<Posting>,
    /// Orders that become paid.
    paid: Vec<OrderId>,
    /// The steps of orders that become paid, or whose hold is kept from expiring while their gateway is asked.
    steps: Vec<(OrderId, OrderStep)>,
    /// Orders whose time is up.
    overdue: Vec<OrderId>,
    told: Vec<NewEvent>,
}

impl ConfirmPlan {
    /// Adds what was decided about one payment.
    pub(super) fn add(
        &mut self,
        message: &ConfirmPayment,
        order: &OrderRow,
        parts: Parts,
        decision: PaymentDecision,
    ) {
        let payment_id = message.command_id;
        let begin = match decision {
            PaymentDecision::Capture { step, .. } => {
                self.steps.push((order.id, step));
                self.paid.push(order.id);
                self.post(payment_id, order, Phase::Posted, capture(parts));
                let (amount_won, method) = (order.amount, parts.method());
                self.tell(message, OrderEvent::Paid { payment_id, amount_won, method });
                Begin::Captured
            }
            PaymentDecision::Ask { step, .. } => {
                self.steps.push((order.id, step));
                self.post(payment_id, order, Phase::Pending, reserve(parts));
                Begin::Requesting
            }
            PaymentDecision::Decline(reason) => {
                self.tell(message, OrderEvent::PaymentDeclined { payment_id, reason, code: None });
                Begin::Declined(reason)
            }
            PaymentDecision::Expire => return self.overdue.push(order.id),
            PaymentDecision::Wait | PaymentDecision::Ignore => return,
        };
        let key = message.pay_by.payment_key().cloned();
        let (id, order_id, amount) = (payment_id, order.id, order.amount);
        self.payments.push(NewPayment { id, order_id, amount, parts, key, begin });
    }

    fn post(
        &mut self,
        transaction: CommandId,
        order: &OrderRow,
        phase: Phase,
        entries: Vec<holdfast::domain::ledger::LedgerEntry>,
    ) {
        let customer_id = order.customer_id.clone();
        self.postings.push(Posting { transaction, phase, customer_id, entries });
    }

    fn tell(&mut self, message: &ConfirmPayment, event: OrderEvent) {
        let command_id = Some(message.command_id);
        self.told.push(NewEvent { order_id: message.order_id, command_id, event });
    }

    /// Does it all. Returns the payments whose gateway is to be asked.
    pub(super) async fn carry_out(mut self, tx: &mut PgConnection) -> Result<Vec<Unsettled>, ApplyError> {
        if !self.payments.is_empty() && !payments::insert(tx, &self.payments).await? {
            return Err(ApplyError::Overtaken);
        }
        ledger::post(tx, &self.postings).await?;
        orders::advance(tx, std::mem::take(&mut self.steps)).await?;
        let mut changes = Vec::new();
        if !self.paid.is_empty() {
            stock::record_sales(tx, &self.paid).await?;
            changes.extend(sold(stock::units_of(tx, &self.paid).await?));
        }
        if !self.overdue.is_empty() {
            changes.extend(release::expire(tx, &self.overdue).await?);
        }
        release::change_stock(tx, &changes).await?;
        units_bought::add(tx, &self.paid).await?;
        facts::append(tx, &self.told).await?;
        self.count();
        let asked = self.payments.into_iter().filter(|payment| payment.begin == Begin::Requesting);
        Ok(asked.map(|payment| Unsettled::Payment(payment.id, payment.order_id)).collect())
    }

    fn count(&self) {
        for payment in &self.payments {
            let outcome = match payment.begin {
                Begin::Requesting => continue,
                Begin::Captured => "captured",
                Begin::Declined(_) => "declined",
            };
            counted_at_commit::count(counter!("holdfast_payments_total", "outcome" => outcome), 1);
        }
    }
}

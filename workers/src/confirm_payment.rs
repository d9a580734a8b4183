//! `payment.confirm`: pays orders from their customers' wallets, money and stock in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use holdfast::broker::envelope::Incoming;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::money::Won;
use holdfast::domain::order::OrderState;
use holdfast::domain::payment::{PaymentDecision, decide};
use holdfast::event::OrderEvent;
use holdfast::message::{ConfirmPayment, Queue};
use holdfast::store::events::{self, NewEvent};
use holdfast::store::orders::{self, OrderRow, OrderStatus};
use holdfast::store::payments::{self, WalletPayment};
use holdfast::store::stock::{self, StockChange};
use holdfast::store::wallets::{self, Withdrawal};
use metrics::counter;
use sqlx::PgConnection;

use crate::release;
use crate::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command, unknown_order,
};

/// The worker. Locks orders, then wallets, then SKUs, each in order.
#[derive(Debug, Clone, Copy)]
pub struct ConfirmPayments;

impl Worker for ConfirmPayments {
    type Message = ConfirmPayment;

    fn queue(&self) -> String {
        Queue::PaymentConfirm.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 250, weight: usize::MAX, prefetch: 500 }
    }

    fn read(&self, incoming: &Incoming) -> Result<ConfirmPayment, Verdict> {
        read_command(incoming)
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<ConfirmPayment>],
    ) -> Result<Applied, ApplyError> {
        let ids: Vec<OrderId> = batch.iter().map(|delivered| delivered.message.order_id).collect();
        let commands: Vec<CommandId> = batch.iter().map(|delivered| delivered.message.command_id).collect();
        let orders: HashMap<OrderId, OrderRow> =
            orders::lock(tx, &ids).await?.into_iter().map(|order| (order.id, order)).collect();
        let now = orders::transaction_time(tx).await?;
        let answered = events::answered(tx, &ids, &commands).await?.into_iter().collect();
        let mut customers: Vec<String> = orders.values().map(|order| order.customer_id.clone()).collect();
        customers.sort_unstable();
        customers.dedup();
        let balances = wallets::lock(tx, &customers).await?;

        let (verdicts, plan) = Planning { orders, balances, answered, now }.decide(batch);
        plan.carry_out(tx).await?;
        Ok(Applied { verdicts, wake_ups: vec![] })
    }
}

/// What a batch is decided on.
struct Planning {
    orders: HashMap<OrderId, OrderRow>,
    balances: BTreeMap<String, Won>,
    answered: HashSet<CommandId>,
    now: DateTime<Utc>,
}

/// What a batch does.
#[derive(Default)]
struct Plan {
    payments: Vec<WalletPayment>,
    withdrawals: Vec<Withdrawal>,
    paid: Vec<OrderId>,
    overdue: Vec<OrderId>,
    told: Vec<NewEvent>,
}

impl Planning {
    fn decide(mut self, batch: &[Delivered<ConfirmPayment>]) -> (Vec<Verdict>, Plan) {
        let mut plan = Plan::default();
        let verdicts = batch.iter().map(|delivered| self.decide_one(&delivered.message, &mut plan)).collect();
        (verdicts, plan)
    }

    fn decide_one(&mut self, message: &ConfirmPayment, plan: &mut Plan) -> Verdict {
        let Some(order) = self.orders.get_mut(&message.order_id) else {
            return unknown_order();
        };
        if !self.answered.insert(message.command_id) {
            return Verdict::Done;
        }
        let balance = self.balances.get(&order.customer_id).copied().unwrap_or_default();
        let (payment_id, amount) = (message.command_id, order.amount);
        let payment = WalletPayment { id: payment_id, order_id: order.id, amount, declined: None };
        match decide(order.state.clone(), amount, balance, self.now) {
            PaymentDecision::Capture { balance_after } => {
                self.balances.insert(order.customer_id.clone(), balance_after);
                order.state = OrderState::Paid { paid_at: self.now };
                let customer_id = order.customer_id.clone();
                plan.withdrawals.push(Withdrawal { payment: payment_id, customer_id, amount });
                plan.paid.push(order.id);
                plan.payments.push(payment);
                plan.tell(message, OrderEvent::Paid { payment_id, amount_won: amount, method: "wallet" });
            }
            PaymentDecision::Decline(reason) => {
                plan.payments.push(WalletPayment { declined: Some(reason), ..payment });
                plan.tell(message, OrderEvent::PaymentDeclined { payment_id, reason });
            }
            PaymentDecision::Expire => plan.overdue.push(order.id),
            PaymentDecision::Ignore => {}
        }
        Verdict::Done
    }
}

impl Plan {
    fn tell(&mut self, message: &ConfirmPayment, event: OrderEvent) {
        let command_id = Some(message.command_id);
        self.told.push(NewEvent { order_id: message.order_id, command_id, event });
    }

    async fn carry_out(self, tx: &mut PgConnection) -> sqlx::Result<()> {
        let mut changes = Vec::new();
        if !self.payments.is_empty() {
            payments::insert(tx, &self.payments).await?;
            counter!("holdfast_payments_total", "outcome" => "captured").increment(self.paid.len() as u64);
            let declined = self.payments.len() - self.paid.len();
            counter!("holdfast_payments_total", "outcome" => "declined").increment(declined as u64);
        }
        if !self.paid.is_empty() {
            wallets::withdraw(tx, &self.withdrawals).await?;
            orders::close(tx, &self.paid, OrderStatus::Paid).await?;
            stock::record_sales(tx, &self.paid).await?;
            let sold = stock::units_of(tx, &self.paid).await?;
            changes.extend(sold.into_iter().map(|(sku_id, units)| StockChange {
                sku_id,
                on_hand: -units,
                reserved: -units,
            }));
        }
        if !self.overdue.is_empty() {
            changes.extend(release::expire(tx, &self.overdue).await?);
        }
        stock::change(tx, &changes).await?;
        events::append(tx, &self.told).await
    }
}

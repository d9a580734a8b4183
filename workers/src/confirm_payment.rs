//! `payment.confirm`: pays orders from their customers' wallets, money and stock in one transaction; for a payment by
//! card it fences the hold and writes down what to ask the gateway, which `payment.resolve` then does.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use holdfast::broker::envelope::Incoming;
use holdfast::domain::card::{self, CardStart};
use holdfast::domain::gateway::PaymentKey;
use holdfast::domain::ids::{CommandId, OrderId, SkuId};
use holdfast::domain::money::Won;
use holdfast::domain::order::OrderState;
use holdfast::domain::payment::{PaymentDecision, decide};
use holdfast::domain::refusal::DeclineReason;
use holdfast::event::OrderEvent;
use holdfast::message::{ConfirmPayment, PayBy, Queue};
use holdfast::store::card_payments::{self, Request};
use holdfast::store::events::{self, NewEvent};
use holdfast::store::orders::{self, OrderRow, OrderStatus};
use holdfast::store::payments::{self, DecidedPayment};
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

        let requested = self.requested_before(tx, batch).await?;
        let (verdicts, plan) = Planning { orders, balances, answered, now }.decide(batch);
        let mut payments = plan.carry_out(tx).await?;
        payments.extend(requested);
        Ok(Applied { verdicts, payments, ..Applied::default() })
    }
}

impl ConfirmPayments {
    /// Payments that an earlier delivery of this batch wrote down: their `payment.resolve` may never have been published.
    async fn requested_before(
        self,
        tx: &mut PgConnection,
        batch: &[Delivered<ConfirmPayment>],
    ) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
        let by_card = |message: &ConfirmPayment| matches!(message.pay_by, PayBy::Card { .. });
        let ids: Vec<CommandId> = batch
            .iter()
            .filter(|delivered| by_card(&delivered.message))
            .map(|delivered| delivered.message.command_id)
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let open = card_payments::find(tx, &ids).await?;
        Ok(open
            .into_iter()
            .filter(|payment| payment.status != card::Open::Declined)
            .map(|payment| (payment.id, payment.order_id))
            .collect())
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
    payments: Vec<DecidedPayment>,
    requests: Vec<Request>,
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
        match &message.pay_by {
            PayBy::Wallet => {
                let balance = self.balances.entry(order.customer_id.clone()).or_default();
                plan.pay_from_wallet(message, order, balance, self.now);
            }
            PayBy::Card { payment_key, amount_won } => {
                plan.pay_by_card(message, order, payment_key, *amount_won, self.now);
            }
        }
        Verdict::Done
    }
}

impl Plan {
    fn tell(&mut self, message: &ConfirmPayment, event: OrderEvent) {
        let command_id = Some(message.command_id);
        self.told.push(NewEvent { order_id: message.order_id, command_id, event });
    }

    fn pay_from_wallet(
        &mut self,
        message: &ConfirmPayment,
        order: &mut OrderRow,
        balance: &mut Won,
        now: DateTime<Utc>,
    ) {
        let (payment_id, amount) = (message.command_id, order.amount);
        let payment =
            DecidedPayment { id: payment_id, order_id: order.id, amount, card: None, declined: None };
        match decide(order.state.clone(), amount, *balance, now) {
            PaymentDecision::Capture { balance_after } => {
                *balance = balance_after;
                order.state = OrderState::Paid { paid_at: now };
                let customer_id = order.customer_id.clone();
                self.withdrawals.push(Withdrawal { payment: payment_id, customer_id, amount });
                self.paid.push(order.id);
                self.payments.push(payment);
                self.tell(message, OrderEvent::Paid { payment_id, amount_won: amount, method: "wallet" });
            }
            PaymentDecision::Decline(reason) => {
                self.payments.push(DecidedPayment { declined: Some(reason), ..payment });
                self.tell(message, OrderEvent::PaymentDeclined { payment_id, reason, code: None });
            }
            PaymentDecision::Expire => self.overdue.push(order.id),
            PaymentDecision::Ignore => {}
        }
    }

    fn pay_by_card(
        &mut self,
        message: &ConfirmPayment,
        order: &mut OrderRow,
        key: &PaymentKey,
        offered: Won,
        now: DateTime<Utc>,
    ) {
        let (id, order_id, amount) = (message.command_id, order.id, order.amount);
        match card::start(&order.state, amount, offered, now) {
            CardStart::Ask => {
                if let OrderState::Held(hold) = order.state {
                    order.state = OrderState::Paying(hold);
                }
                self.requests.push(Request { id, order_id, amount, key: key.clone() });
            }
            CardStart::Decline(reason) => self.decline_card(id, order_id, amount, key, reason),
            CardStart::Expire => self.overdue.push(order_id),
            CardStart::Ignore => {}
        }
    }

    fn decline_card(
        &mut self,
        id: CommandId,
        order_id: OrderId,
        amount: Won,
        key: &PaymentKey,
        reason: DeclineReason,
    ) {
        let card = Some(key.clone());
        self.payments.push(DecidedPayment { id, order_id, amount, card, declined: Some(reason) });
        let event = OrderEvent::PaymentDeclined { payment_id: id, reason, code: None };
        self.told.push(NewEvent { order_id, command_id: Some(id), event });
    }

    /// Does it all. Returns the card payments whose gateway is to be asked.
    async fn carry_out(mut self, tx: &mut PgConnection) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
        let asked = self.fence(tx).await?;
        let mut changes = Vec::new();
        if !self.payments.is_empty() {
            payments::insert(tx, &self.payments).await?;
            counter!("holdfast_payments_total", "outcome" => "captured").increment(self.paid.len() as u64);
            let declined = self.payments.len() - self.paid.len();
            counter!("holdfast_payments_total", "outcome" => "declined").increment(declined as u64);
        }
        if !self.paid.is_empty() {
            wallets::withdraw(tx, &self.withdrawals).await?;
            orders::advance(tx, &self.paid, OrderStatus::Held, OrderStatus::Paid).await?;
            stock::record_sales(tx, &self.paid).await?;
            changes.extend(sold(stock::units_of(tx, &self.paid).await?));
        }
        if !self.overdue.is_empty() {
            changes.extend(release::expire(tx, &self.overdue).await?);
        }
        stock::change(tx, &changes).await?;
        events::append(tx, &self.told).await?;
        Ok(asked)
    }

    /// Writes the requests down and keeps their orders from expiring. A payment key that pays for something else
    /// already is declined.
    async fn fence(&mut self, tx: &mut PgConnection) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
        if self.requests.is_empty() {
            return Ok(Vec::new());
        }
        let written: HashSet<CommandId> =
            card_payments::request(tx, &self.requests).await?.into_iter().collect();
        let (asked, in_use): (Vec<Request>, Vec<Request>) =
            std::mem::take(&mut self.requests).into_iter().partition(|request| written.contains(&request.id));
        for request in in_use {
            self.decline_card(
                request.id,
                request.order_id,
                request.amount,
                &request.key,
                DeclineReason::KeyInUse,
            );
        }
        let orders: Vec<OrderId> = asked.iter().map(|request| request.order_id).collect();
        orders::advance(tx, &orders, OrderStatus::Held, OrderStatus::Paying).await?;
        Ok(asked.into_iter().map(|request| (request.id, request.order_id)).collect())
    }
}

/// Units that leave the shop.
pub(crate) fn sold(units: Vec<(SkuId, i32)>) -> impl Iterator<Item = StockChange> {
    units.into_iter().map(|(sku_id, units)| StockChange { sku_id, on_hand: -units, reserved: -units })
}

//! `payment.confirm`: pays orders. What comes from the customer's wallet and points is taken at once, money and stock in
//! one transaction. Where a card pays a part, the rest is set aside, the hold is fenced, and what to ask the gateway is
//! written down; `payment.resolve` does the rest.

mod plan;

use std::collections::{HashMap, HashSet};

use holdfast::broker::envelope::Incoming;
use holdfast::domain::card::CardStatus;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::payment::{Offer, PaymentDecision, decide};
use holdfast::message::{ConfirmPayment, Queue};
use holdfast::store::orders::{self, OrderRow};
use holdfast::store::{events, ledger, payments};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Unsettled, Verdict, Worker, read_command, unknown_order,
    while_paying,
};
use crate::steps::distinct::distinct;
use plan::ConfirmPlan;

/// The worker. Locks orders, then purses, then SKUs, each in order.
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

    fn subjects(&self, message: &ConfirmPayment, about: &mut dyn FnMut(Uuid)) {
        about(message.command_id.0);
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<ConfirmPayment>],
    ) -> Result<Applied, ApplyError> {
        let messages = || batch.iter().map(|delivered| &delivered.message);
        let ids: Vec<OrderId> = messages().map(|message| message.order_id).collect();
        let commands: Vec<CommandId> = messages().map(|message| message.command_id).collect();
        let mut orders: HashMap<OrderId, OrderRow> =
            orders::lock(tx, &ids).await?.into_iter().map(|order| (order.id, order)).collect();
        let now = orders::transaction_time(tx).await?;
        let mut answered: HashSet<CommandId> =
            events::answered(tx, &ids, &commands).await?.into_iter().collect();
        let mut purses =
            ledger::lock_purses(tx, &distinct(orders.values().map(|order| order.customer_id.as_str())))
                .await?;
        let keys: Vec<_> = messages().filter_map(|message| message.pay_by.payment_key()).collect();
        let mut in_use = payments::keys_in_use(tx, &keys).await?;

        let asked_before = asked_before(tx, batch).await?;
        answered.extend(asked_before.iter().map(|(payment, _)| *payment));
        let mut plan = ConfirmPlan::default();
        let verdicts = messages()
            .map(|message| {
                let Some(order) = orders.get_mut(&message.order_id) else { return unknown_order() };
                if !answered.insert(message.command_id) {
                    return Verdict::Done;
                }
                let purses = purses.entry(order.customer_id.clone()).or_default();
                let parts = message.pay_by.parts(order.amount);
                let key = message.pay_by.payment_key();
                let is_key_in_use = key.is_some_and(|key| in_use.contains(key));
                let expected_amount = message.pay_by.expected_amount();
                let offer = Offer { parts, expected_amount, purses: *purses, is_key_in_use };
                let decision = decide(&mut order.state, order.amount, offer, now);
                if let PaymentDecision::Capture { left, .. } | PaymentDecision::Ask { left, .. } = decision {
                    *purses = left;
                }
                if matches!(decision, PaymentDecision::Ask { .. }) {
                    in_use.extend(key.cloned());
                }
                let is_waiting = decision == PaymentDecision::Wait;
                plan.add(message, order, parts, decision);
                if is_waiting { while_paying() } else { Verdict::Done }
            })
            .collect();
        let mut unsettled = plan.carry_out(tx).await?;
        unsettled.extend(asked_before.into_iter().map(|(payment, order)| Unsettled::Payment(payment, order)));
        Ok(Applied { verdicts, unsettled, ..Applied::default() })
    }
}

/// Payments that an earlier delivery of this batch wrote down: their `payment.resolve` may never have been published.
async fn asked_before(
    tx: &mut PgConnection,
    batch: &[Delivered<ConfirmPayment>],
) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
    let ids: Vec<CommandId> = batch
        .iter()
        .filter(|delivered| delivered.message.pay_by.payment_key().is_some())
        .map(|delivered| delivered.message.command_id)
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let open = payments::by_card::find(tx, &ids).await?.into_iter();
    Ok(open
        .filter(|payment| payment.status != CardStatus::Declined)
        .map(|payment| (payment.id, payment.order_id))
        .collect())
}

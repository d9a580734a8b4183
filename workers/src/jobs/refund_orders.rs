//! `order.refund`: gives money back for units of paid orders. What came from wallet and points is back at once; where a
//! card's part has to go back, the refund is written down and `refund.resolve` asks the gateway for it first.

use std::collections::{HashMap, HashSet};

use holdfast::broker::envelope::Incoming;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::order::OrderState;
use holdfast::domain::refund::{RefundRefusal, select, split};
use holdfast::event::OrderEvent;
use holdfast::message::{Queue, RefundOrder};
use holdfast::store::events::{self, NewEvent};
use holdfast::store::ledger;
use holdfast::store::orders::{self, OrderRow};
use holdfast::store::refunds::left::Refundable;
use holdfast::store::refunds::{self, NewRefund, RefundStatus};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Unsettled, Verdict, Worker, read_command, unknown_order,
};
use crate::steps::distinct::distinct;
use crate::steps::facts;
use crate::steps::give_back::{Refunded, give_back};

/// The worker. Locks orders, then purses, then SKUs, each in order.
#[derive(Debug, Clone, Copy)]
pub struct RefundOrders;

impl Worker for RefundOrders {
    type Message = RefundOrder;

    fn queue(&self) -> String {
        Queue::OrderRefund.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 100, weight: usize::MAX, prefetch: 200 }
    }

    fn read(&self, incoming: &Incoming) -> Result<RefundOrder, Verdict> {
        read_command(incoming)
    }

    fn subjects(&self, message: &RefundOrder, about: &mut dyn FnMut(Uuid)) {
        about(message.command_id.0);
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<RefundOrder>],
    ) -> Result<Applied, ApplyError> {
        let messages = || batch.iter().map(|delivered| &delivered.message);
        let ids: Vec<OrderId> = messages().map(|message| message.order_id).collect();
        let commands: Vec<CommandId> = messages().map(|message| message.command_id).collect();
        let orders: HashMap<OrderId, OrderRow> =
            orders::lock(tx, &ids).await?.into_iter().map(|order| (order.id, order)).collect();
        ledger::lock_purses(tx, &distinct(orders.values().map(|order| order.customer_id.as_str()))).await?;
        let mut answered: HashSet<CommandId> =
            events::answered(tx, &ids, &commands).await?.into_iter().collect();
        // An earlier delivery wrote these down, and their `refund.resolve` may never have been published.
        let asked_before = refunds::find_open(tx, &commands).await?;
        answered.extend(asked_before.iter().map(|refund| refund.id));

        let refundable = refunds::left::of_orders(tx, &ids).await?;
        let mut deciding = Deciding { orders, refundable, refunds: vec![], refused: vec![] };
        let verdicts = messages()
            .map(|message| {
                if !deciding.orders.contains_key(&message.order_id) {
                    return unknown_order();
                }
                if answered.insert(message.command_id) {
                    deciding.decide(message);
                }
                Verdict::Done
            })
            .collect();
        let mut unsettled = deciding.carry_out(tx).await?;
        unsettled.extend(asked_before.iter().map(|refund| Unsettled::Refund(refund.id, refund.order_id)));
        Ok(Applied { verdicts, unsettled, ..Applied::default() })
    }
}

/// A batch while it is decided.
struct Deciding {
    orders: HashMap<OrderId, OrderRow>,
    refundable: HashMap<OrderId, Refundable>,
    refunds: Vec<NewRefund>,
    refused: Vec<NewEvent>,
}

impl Deciding {
    fn decide(&mut self, message: &RefundOrder) {
        match self.refund(message) {
            Ok(refund) => self.refunds.push(refund),
            Err(reason) => self.refused.push(NewEvent {
                order_id: message.order_id,
                command_id: Some(message.command_id),
                event: OrderEvent::RefundRefused { refund_id: message.command_id, reason, code: None },
            }),
        }
    }

    /// Takes what is asked for from what is left of the order.
    fn refund(&mut self, message: &RefundOrder) -> Result<NewRefund, RefundRefusal> {
        let state = &self.orders[&message.order_id].state;
        if !matches!(state, OrderState::Paid { .. } | OrderState::PartlyRefunded) {
            return Err(RefundRefusal::NotPaid);
        }
        let of_order = self.refundable.get_mut(&message.order_id).ok_or(RefundRefusal::NotPaid)?;
        let items = select(&mut of_order.lines, &message.asked)?;
        let amount = items
            .iter()
            .map(|item| item.amount)
            .reduce(|sum, amount| sum.plus(amount).expect("a part of an order costs no more than the order"));
        let parts = split(amount.unwrap_or_default(), of_order.left);
        of_order.left = of_order.left.minus(parts);
        Ok(NewRefund {
            id: message.command_id,
            order_id: message.order_id,
            payment_id: of_order.payment_id,
            parts,
            asked: message.asked.clone(),
            reason: message.reason.as_str().to_owned(),
            items,
        })
    }

    async fn carry_out(self, tx: &mut PgConnection) -> sqlx::Result<Vec<Unsettled>> {
        facts::append(tx, &self.refused).await?;
        if self.refunds.is_empty() {
            return Ok(Vec::new());
        }
        refunds::insert(tx, &self.refunds).await?;
        let (asking, done): (Vec<&NewRefund>, Vec<&NewRefund>) =
            self.refunds.iter().partition(|refund| refund.status() == RefundStatus::Requesting);
        let done: Vec<Refunded> = done
            .into_iter()
            .map(|refund| Refunded {
                id: refund.id,
                order_id: refund.order_id,
                customer_id: self.orders[&refund.order_id].customer_id.clone(),
                parts: refund.parts,
            })
            .collect();
        give_back(tx, &done, self.orders).await?;
        Ok(asking.into_iter().map(|refund| Unsettled::Refund(refund.id, refund.order_id)).collect())
    }
}

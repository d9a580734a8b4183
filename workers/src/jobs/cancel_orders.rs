//! `order.cancel`: calls orders off and gives their units back.

use std::collections::{HashMap, HashSet};

use holdfast::broker::envelope::Incoming;
use holdfast::domain::ids::OrderId;
use holdfast::domain::order::OrderState;
use holdfast::event::OrderEvent;
use holdfast::message::{CancelOrder, Queue};
use holdfast::store::events::NewEvent;
use holdfast::store::orders::{self, OrderStatus};
use holdfast::store::stock;
use sqlx::PgConnection;

use crate::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command, unknown_order, while_paying,
};
use crate::steps::{facts, release};

/// The worker.
#[derive(Debug, Clone, Copy)]
pub struct CancelOrders;

impl Worker for CancelOrders {
    type Message = CancelOrder;

    fn queue(&self) -> String {
        Queue::OrderCancel.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 250, weight: usize::MAX, prefetch: 500 }
    }

    fn read(&self, incoming: &Incoming) -> Result<CancelOrder, Verdict> {
        read_command(incoming)
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<CancelOrder>],
    ) -> Result<Applied, ApplyError> {
        let ids: Vec<OrderId> = batch.iter().map(|delivered| delivered.message.order_id).collect();
        let locked: HashMap<OrderId, OrderState> =
            orders::lock(tx, &ids).await?.into_iter().map(|order| (order.id, order.state)).collect();

        let mut cancelled = HashSet::new();
        let mut told = Vec::new();
        let mut verdicts = Vec::with_capacity(batch.len());
        for Delivered { message, .. } in batch {
            let state = locked.get(&message.order_id);
            verdicts.push(match state {
                None => unknown_order(),
                Some(OrderState::Paying(_)) => while_paying(),
                Some(_) => Verdict::Done,
            });
            // Only a hold can be called off; for every other state there is nothing left to do.
            if matches!(state, Some(OrderState::Held(_))) && cancelled.insert(message.order_id) {
                told.push(NewEvent {
                    order_id: message.order_id,
                    command_id: Some(message.command_id),
                    event: OrderEvent::Cancelled {},
                });
            }
        }
        if !cancelled.is_empty() {
            let cancelled: Vec<OrderId> = cancelled.into_iter().collect();
            orders::advance(tx, &cancelled, OrderStatus::Held, OrderStatus::Cancelled).await?;
            facts::append(tx, &told).await?;
            let changes = release::units_back(tx, &cancelled).await?;
            stock::change(tx, &changes).await?;
        }
        Ok(Applied { verdicts, ..Applied::default() })
    }
}

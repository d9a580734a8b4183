//! `order.cancel`: calls orders off and gives their units back.

use std::collections::HashMap;

use holdfast::broker::envelope::Incoming;
use holdfast::clock;
use holdfast::domain::ids::OrderId;
use holdfast::domain::order::OrderState;
use holdfast::event::OrderEvent;
use holdfast::message::{CancelOrder, Queue};
use holdfast::store::events::NewEvent;
use holdfast::store::{orders, waiting};
use sqlx::PgConnection;

use crate::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command, unknown_order, while_paying,
};
use crate::steps::{facts, release};

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
        let mut states: HashMap<OrderId, OrderState> =
            orders::lock(tx, &ids).await?.into_iter().map(|order| (order.id, order.state)).collect();

        let mut steps = Vec::new();
        let (mut held, mut in_line) = (vec![], vec![]);
        let mut told = Vec::new();
        let mut verdicts = Vec::with_capacity(batch.len());
        for Delivered { message, .. } in batch {
            let Some(state) = states.get_mut(&message.order_id) else {
                verdicts.push(unknown_order());
                continue;
            };
            // Only a hold or a wait can be called off; for every other state there is nothing left to do.
            let is_held = matches!(state, OrderState::Held(_));
            if let Some(step) = state.go(|state| state.cancel(clock::now())) {
                steps.push((message.order_id, step));
                if is_held {
                    held.push(message.order_id)
                } else {
                    in_line.push(message.order_id)
                }
                told.push(NewEvent {
                    order_id: message.order_id,
                    command_id: Some(message.command_id),
                    event: OrderEvent::Cancelled {},
                });
            }
            verdicts.push(if matches!(state, OrderState::Paying(_)) {
                while_paying()
            } else {
                Verdict::Done
            });
        }
        if !steps.is_empty() {
            orders::advance(tx, steps).await?;
            facts::append(tx, &told).await?;
            waiting::leave(tx, &in_line).await?;
            let changes = release::units_back(tx, &held).await?;
            release::change_stock(tx, &changes).await?;
        }
        Ok(Applied { verdicts, ..Applied::default() })
    }
}

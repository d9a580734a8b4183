//! `order.extend`: gives holds more time, within bounds.

use std::collections::{HashMap, HashSet};

use holdfast::broker::envelope::Incoming;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::order::{Hold, OrderState};
use holdfast::domain::refusal::ExtensionRefusal;
use holdfast::event::OrderEvent;
use holdfast::message::{ExtendHold, Queue};
use holdfast::store::events::{self, NewEvent};
use holdfast::store::orders;
use sqlx::PgConnection;

use crate::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command, unknown_order,
};
use crate::steps::facts;

/// The worker. It orders no timer: the one of the old deadline finds the new one and goes on from there.
#[derive(Debug, Clone, Copy)]
pub struct ExtendHolds;

impl Worker for ExtendHolds {
    type Message = ExtendHold;

    fn queue(&self) -> String {
        Queue::OrderExtend.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 250, weight: usize::MAX, prefetch: 500 }
    }

    fn read(&self, incoming: &Incoming) -> Result<ExtendHold, Verdict> {
        read_command(incoming)
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<ExtendHold>],
    ) -> Result<Applied, ApplyError> {
        let ids: Vec<OrderId> = batch.iter().map(|delivered| delivered.message.order_id).collect();
        let commands: Vec<CommandId> = batch.iter().map(|delivered| delivered.message.command_id).collect();
        let mut states: HashMap<OrderId, OrderState> =
            orders::lock(tx, &ids).await?.into_iter().map(|order| (order.id, order.state)).collect();
        let now = orders::transaction_time(tx).await?;
        let mut answered: HashSet<CommandId> =
            events::answered(tx, &ids, &commands).await?.into_iter().collect();

        let mut extended: HashMap<OrderId, Hold> = HashMap::new();
        let mut told = Vec::new();
        let mut verdicts = Vec::with_capacity(batch.len());
        for Delivered { message, .. } in batch {
            let Some(state) = states.get_mut(&message.order_id) else {
                verdicts.push(unknown_order());
                continue;
            };
            verdicts.push(Verdict::Done);
            if !answered.insert(message.command_id) {
                continue;
            }
            let outcome = match state {
                OrderState::Held(hold) => hold.extend(message.extend_seconds.seconds().into(), now),
                OrderState::Expired { .. } => Err(ExtensionRefusal::Expired),
                _ => Err(ExtensionRefusal::NotHeld),
            };
            let event = match outcome {
                Ok(hold) => {
                    *state = OrderState::Held(hold);
                    extended.insert(message.order_id, hold);
                    OrderEvent::Extended { expires_at: hold.expires_at }
                }
                Err(reason) => OrderEvent::ExtensionRefused { reason },
            };
            told.push(NewEvent { order_id: message.order_id, command_id: Some(message.command_id), event });
        }
        let extended: Vec<(OrderId, Hold)> = extended.into_iter().collect();
        if !extended.is_empty() {
            orders::extend(tx, &extended).await?;
        }
        facts::append(tx, &told).await?;
        Ok(Applied { verdicts, ..Applied::default() })
    }
}

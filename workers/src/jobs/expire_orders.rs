//! `order.expire`: wakes up when holds are due and gives their units back.

use holdfast::broker::envelope::Incoming;
use holdfast::domain::ids::OrderId;
use holdfast::message::{Command as _, ExpireOrders, Queue};
use holdfast::store::orders;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::engine::worker::{
    Applied, ApplyError, BatchLimits, Delivered, Verdict, WakeUp, Worker, read_command,
};
use crate::steps::release;

#[derive(Debug, Clone, Copy)]
pub struct ExpireDue;

impl Worker for ExpireDue {
    type Message = ExpireOrders;

    fn queue(&self) -> String {
        Queue::OrderExpire.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 250, weight: 2_000, prefetch: 500 }
    }

    fn read(&self, incoming: &Incoming) -> Result<ExpireOrders, Verdict> {
        read_command(incoming)
    }

    fn subjects(&self, message: &ExpireOrders, about: &mut dyn FnMut(Uuid)) {
        message.order_ids.iter().for_each(|order| about(order.uuid()));
    }

    fn weight(&self, message: &ExpireOrders) -> usize {
        message.weight()
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<ExpireOrders>],
    ) -> Result<Applied, ApplyError> {
        // This process's clock may be wrong: who asked it would come back early or late, again and again.
        let now = orders::transaction_time(tx).await?;
        let (due, early): (Vec<_>, Vec<_>) =
            batch.iter().map(|delivered| &delivered.message).partition(|message| message.due_at <= now);
        let mut wake_ups: Vec<WakeUp> = early
            .into_iter()
            .map(|message| WakeUp::new(message.due_at, message.order_ids.clone(), now))
            .collect();

        let ids: Vec<OrderId> = due.iter().flat_map(|message| message.order_ids.iter().copied()).collect();
        if !ids.is_empty() {
            release::expire_and_give_back(tx, &ids).await?;
            let later = orders::not_due_yet(tx, &ids).await?;
            let later = later.into_iter().map(|(order, due_at)| (due_at, order)).collect();
            wake_ups.extend(WakeUp::group(later, now));
        }
        Ok(Applied { verdicts: vec![Verdict::Done; batch.len()], wake_ups, ..Applied::default() })
    }
}

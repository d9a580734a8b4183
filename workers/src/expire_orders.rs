//! `order.expire`: wakes up when holds are due and gives their units back.

use holdfast::broker::envelope::Incoming;
use holdfast::clock;
use holdfast::domain::ids::OrderId;
use holdfast::message::{Command as _, ExpireOrders, Queue};
use holdfast::store::orders;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::release;
use crate::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, WakeUp, Worker, read_command};

/// The worker.
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
        // A message on its way down the ladder is sent on without asking the database. This process's clock may
        // be wrong: then the database says so below, and the message is sent on as well.
        let now = clock::now();
        let (due, early): (Vec<_>, Vec<_>) =
            batch.iter().map(|delivered| &delivered.message).partition(|message| message.due_at <= now);
        let mut wake_ups: Vec<WakeUp> = early
            .into_iter()
            .map(|message| WakeUp { due_at: message.due_at, order_ids: message.order_ids.clone() })
            .collect();

        let ids: Vec<OrderId> = due.iter().flat_map(|message| message.order_ids.iter().copied()).collect();
        if !ids.is_empty() {
            release::expire_and_give_back(tx, &ids).await?;
            let later = orders::not_due_yet(tx, &ids).await?;
            wake_ups
                .extend(WakeUp::group(later.into_iter().map(|(order, due_at)| (due_at, order)).collect()));
        }
        Ok(Applied { verdicts: vec![Verdict::Done; batch.len()], wake_ups, ..Applied::default() })
    }
}

//! `payment.resolve`: asks the gateway what a card payment needs to come to its end, and carries out the answer.
//!
//! The gateway is asked before and outside the transaction. A crash in between repeats the call with the same key, so
//! that no money is asked for twice; an answer that is not definite is asked for again, later and later.

mod plan;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use holdfast::broker::envelope::Incoming;
use holdfast::domain::card::Stated;
use holdfast::domain::gateway::GatewayOrderId;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::payment::Purses;
use holdfast::gateway::port::Gateway;
use holdfast::message::{Queue, ResolvePayment};
use holdfast::store::orders::{self, OrderRow};
use holdfast::store::payments::by_card::CardPayment;
use holdfast::store::{self, ledger, payments};
use sqlx::{PgConnection, PgPool};
use tracing::info;
use uuid::Uuid;

use crate::engine::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command};
use crate::steps::ask_gateway::{
    GatewayAnswer, Inquiry, LIMIT, Question, ask_each, contested, decide_each, quiet, some_more_times,
    verdict,
};
use crate::steps::distinct::distinct;
use plan::ResolvePlan;

/// The worker. Locks orders, then payments, purses and SKUs, each in order.
#[derive(Clone)]
pub struct ResolvePayments {
    pub gateway: Arc<dyn Gateway>,
}

/// A command with what the gateway said to it.
#[derive(Debug)]
pub struct ResolvingPayment {
    command: ResolvePayment,
    asked: Inquiry,
}

impl From<&CardPayment> for Question {
    fn from(payment: &CardPayment) -> Self {
        Self {
            id: payment.id,
            order: GatewayOrderId::from(payment.order_id),
            amount: payment.parts.card,
            key: payment.key.clone(),
            status: payment.status,
            created_at: payment.created_at,
        }
    }
}

impl Worker for ResolvePayments {
    type Message = ResolvingPayment;

    fn queue(&self) -> String {
        Queue::PaymentResolve.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 64, weight: usize::MAX, prefetch: 128 }
    }

    fn read(&self, incoming: &Incoming) -> Result<ResolvingPayment, Verdict> {
        read_command(incoming).map(|command| ResolvingPayment { command, asked: Inquiry::NotYet })
    }

    fn subjects(&self, message: &ResolvingPayment, about: &mut dyn FnMut(Uuid)) {
        about(message.command.payment_id.0);
    }

    async fn prepare(&self, pool: &PgPool, batch: &mut [Delivered<ResolvingPayment>]) -> sqlx::Result<()> {
        let ids: Vec<CommandId> =
            batch.iter().map(|delivered| delivered.message.command.payment_id).collect();
        let (found, looked_at) = store::within(pool, LIMIT, async |conn| {
            let looked_at = orders::transaction_time(conn).await?;
            Ok::<_, sqlx::Error>((payments::by_card::find(conn, &ids).await?, looked_at))
        })
        .await?;
        let mut open: HashMap<CommandId, CardPayment> =
            found.into_iter().map(|payment| (payment.id, payment)).collect();
        let stated: Vec<Option<Inquiry>> = batch
            .iter()
            .map(|delivered| self.state(&delivered.message.command, &mut open, looked_at))
            .collect();
        let asked = ask_each(self.gateway.as_ref(), &ids, open, looked_at).await;
        for ((delivered, stated), asked) in batch.iter_mut().zip(stated).zip(asked) {
            delivered.message.asked = stated.unwrap_or(asked);
        }
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<ResolvingPayment>],
    ) -> Result<Applied, ApplyError> {
        let (orders, payments): (Vec<OrderId>, Vec<CommandId>) = batch
            .iter()
            .map(|delivered| &delivered.message.command)
            .map(|command| (command.order_id, command.payment_id))
            .unzip();
        let orders: HashMap<OrderId, OrderRow> =
            orders::lock(tx, &orders).await?.into_iter().map(|order| (order.id, order)).collect();
        let now = orders::transaction_time(tx).await?;
        let payments: HashMap<CommandId, CardPayment> = payments::by_card::lock(tx, &payments)
            .await?
            .into_iter()
            .map(|payment| (payment.id, payment))
            .collect();

        let purses = lock_purses(tx, &orders, payments.values()).await?;
        let contested =
            contested(tx, payments.values().map(|payment| (payment.status, &payment.key))).await?;
        let mut plan = ResolvePlan::new(orders, purses, now, quiet(self.gateway.as_ref()));
        let asked = batch.iter().map(|delivered| &delivered.message.asked);
        let decided = decide_each(asked, &payments, &contested, |row, answer| plan.decide(row, answer));
        let verdicts = batch
            .iter()
            .map(|Delivered { message: ResolvingPayment { command, asked }, .. }| {
                let locked = payments.get(&command.payment_id).map(Question::from);
                let decided = decided.get(&command.payment_id);
                match command.stated {
                    Some(stated) => stated_verdict(stated, decided, locked.as_ref()),
                    None => verdict(asked, decided, locked, command.is_hint, now),
                }
            })
            .collect();
        let unsettled = plan.carry_out(tx).await?;
        Ok(Applied { verdicts, unsettled, ..Applied::default() })
    }
}

impl ResolvePayments {
    /// What an operator states takes the place of the gateway's answer; nobody is asked about that payment then.
    fn state(
        &self,
        command: &ResolvePayment,
        open: &mut HashMap<CommandId, CardPayment>,
        looked_at: DateTime<Utc>,
    ) -> Option<Inquiry> {
        let stated = command.stated?;
        let payment = open.get(&command.payment_id).filter(|payment| stated.ends(payment.status));
        let Some(payment) = payment else { return Some(Inquiry::NotNeeded) };
        // Nobody can know that nothing was taken while a call of ours may still be on its way to the gateway.
        if stated == Stated::NotTaken && looked_at - payment.asked_at < quiet(self.gateway.as_ref()) {
            open.remove(&command.payment_id);
            return Some(Inquiry::NotYet);
        }
        let question = Question::from(payment);
        open.remove(&command.payment_id);
        info!(id = %question.id.0, stated = stated.name(), "an operator says what came of a payment");
        Some(Inquiry::Answered(GatewayAnswer::stated(&question, stated.finding(), looked_at)))
    }
}

/// What becomes of an operator's statement: it is tried again only while it could still end the payment.
fn stated_verdict(stated: Stated, decided: Option<&Verdict>, locked: Option<&Question>) -> Verdict {
    match (decided, locked) {
        (Some(Verdict::Done), _) => Verdict::Done,
        (_, Some(payment)) if stated.ends(payment.status) => {
            some_more_times("the payment moved meanwhile, or a call may still be on its way")
        }
        _ => Verdict::Done,
    }
}

/// What the customers of payments that use purses can spend, locked until the transaction ends.
async fn lock_purses(
    tx: &mut PgConnection,
    orders: &HashMap<OrderId, OrderRow>,
    payments: impl Iterator<Item = &CardPayment>,
) -> sqlx::Result<HashMap<String, Purses>> {
    let using = payments.filter(|payment| payment.parts.uses_purses());
    let orders = using.filter_map(|payment| orders.get(&payment.order_id));
    let customers = distinct(orders.map(|order| order.customer_id.as_str()));
    if customers.is_empty() { Ok(HashMap::new()) } else { ledger::lock_purses(tx, &customers).await }
}

//! `payment.resolve`: asks the gateway what a card payment needs to come to its end, and carries out the answer.
//!
//! The gateway is asked before and outside the transaction. A crash in between repeats the call with the same key, so
//! that no money is asked for twice; an answer that is not definite is asked for again, later and later.

mod plan;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use holdfast::broker::envelope::Incoming;
use holdfast::domain::card::{Finding, Open, ask_again_after};
use holdfast::domain::gateway::{CallKey, GatewayOrderId, GatewayPayment, Standing};
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::money::Won;
use holdfast::domain::payment::Purses;
use holdfast::gateway::port::{Cancel, CancelAnswer, Confirm, ConfirmAnswer, FindAnswer, Gateway};
use holdfast::message::{Queue, ResolvePayment};
use holdfast::store::card_payments::{self, CardPayment};
use holdfast::store::orders::{self, OrderRow};
use holdfast::store::{self, ledger};
use sqlx::{PgConnection, PgPool};
use tracing::warn;

use crate::confirm_payment::customers;
use crate::pause;
use crate::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command};
use plan::Plan;

/// Looking the payments up takes no longer, unless the server is gone.
const LIMIT: Duration = Duration::from_secs(10);

/// How often a payment that counts as declined is looked at again after calls that failed: for about ten minutes.
const SOME_MORE_TIMES: u32 = 16;

/// The worker. Locks orders, then payments, purses and SKUs, each in order.
#[derive(Clone)]
pub struct ResolvePayments {
    /// Whom to ask.
    pub gateway: Arc<dyn Gateway>,
}

/// A command with what the gateway said to it.
#[derive(Debug)]
pub struct Resolving {
    command: ResolvePayment,
    asked: Asked,
}

#[derive(Debug, Clone)]
enum Asked {
    NotYet,
    /// The payment is at its end, is not known, or another message of the batch asks about it.
    NotNeeded,
    Answered(CardPayment, Finding),
}

impl Worker for ResolvePayments {
    type Message = Resolving;

    fn queue(&self) -> String {
        Queue::PaymentResolve.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 64, weight: usize::MAX, prefetch: 128 }
    }

    fn read(&self, incoming: &Incoming) -> Result<Resolving, Verdict> {
        read_command(incoming).map(|command| Resolving { command, asked: Asked::NotYet })
    }

    async fn prepare(&self, pool: &PgPool, batch: &mut [Delivered<Resolving>]) -> sqlx::Result<()> {
        let ids: Vec<CommandId> =
            batch.iter().map(|delivered| delivered.message.command.payment_id).collect();
        let found = store::within(pool, LIMIT, async |conn| card_payments::find(conn, &ids).await).await?;
        let mut open: HashMap<CommandId, CardPayment> =
            found.into_iter().map(|payment| (payment.id, payment)).collect();
        let asking = batch.iter_mut().map(|delivered| {
            let payment = open.remove(&delivered.message.command.payment_id);
            async {
                delivered.message.asked = match payment {
                    Some(payment) => {
                        let finding = ask(self.gateway.as_ref(), &payment).await;
                        Asked::Answered(payment, finding)
                    }
                    None => Asked::NotNeeded,
                };
            }
        });
        pause::point("before_call").await;
        join_all(asking).await;
        pause::point("after_call").await;
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<Resolving>],
    ) -> Result<Applied, ApplyError> {
        let (orders, payments): (Vec<OrderId>, Vec<CommandId>) = batch
            .iter()
            .map(|delivered| &delivered.message.command)
            .map(|command| (command.order_id, command.payment_id))
            .unzip();
        let orders: HashMap<OrderId, OrderRow> =
            orders::lock(tx, &orders).await?.into_iter().map(|order| (order.id, order)).collect();
        let now = orders::transaction_time(tx).await?;
        let payments: HashMap<CommandId, CardPayment> = card_payments::lock(tx, &payments)
            .await?
            .into_iter()
            .map(|payment| (payment.id, payment))
            .collect();

        let purses = lock_purses(tx, &orders, payments.values()).await?;
        let mut plan = Plan::new(orders, purses, now);
        let mut decided: HashMap<CommandId, Verdict> = HashMap::new();
        for Delivered { message, .. } in batch {
            let Asked::Answered(asked, finding) = &message.asked else { continue };
            // Whoever moved it on meanwhile asked later than we did.
            if let Some(locked) = payments.get(&asked.id).filter(|locked| locked.status == asked.status) {
                decided.insert(locked.id, plan.decide(locked, finding));
            }
        }
        let verdicts = batch
            .iter()
            .map(|Delivered { message, .. }| {
                let payment_id = message.command.payment_id;
                let verdict = match (&message.asked, decided.get(&payment_id), payments.get(&payment_id)) {
                    (Asked::NotYet, ..) => again("the gateway could not be asked", TimeDelta::zero()),
                    (_, Some(verdict), _) => verdict.clone(),
                    (_, None, Some(open)) if open.status != Open::Declined => {
                        again("another message has asked about it", now - open.created_at)
                    }
                    (_, None, _) => Verdict::Done,
                };
                match verdict {
                    Verdict::Later { .. } if message.command.is_hint => Verdict::Done,
                    verdict => verdict,
                }
            })
            .collect();
        let questions = plan.carry_out(tx).await?;
        Ok(Applied { verdicts, questions, ..Applied::default() })
    }
}

/// What the customers of payments that use purses can spend, locked until the transaction ends.
async fn lock_purses(
    tx: &mut PgConnection,
    orders: &HashMap<OrderId, OrderRow>,
    payments: impl Iterator<Item = &CardPayment>,
) -> sqlx::Result<HashMap<String, Purses>> {
    let using = payments.filter(|payment| payment.parts.uses_purses());
    let customers = customers(using.filter_map(|payment| orders.get(&payment.order_id)));
    if customers.is_empty() { Ok(HashMap::new()) } else { ledger::lock_purses(tx, &customers).await }
}

/// A retry without end: money that may have been taken is never forgotten.
fn again(why: &'static str, open_for: TimeDelta) -> Verdict {
    Verdict::Later { why, after: ask_again_after(open_for) }
}

/// A retry that ends: nothing says yet that money was taken.
fn some_more_times(why: &str) -> Verdict {
    Verdict::Retry { why: why.to_owned(), limit: SOME_MORE_TIMES }
}

/// Asks what the payment's state requires. All keys are made of its id, so that a repeated call is the same call.
async fn ask(gateway: &dyn Gateway, payment: &CardPayment) -> Finding {
    let order = GatewayOrderId::from(payment.order_id);
    match payment.status {
        Open::Requesting => {
            let ask = Confirm {
                payment: payment.key.clone(),
                order,
                amount: payment.parts.card,
                call_key: CallKey::from(payment.id.0),
            };
            match gateway.confirm(&ask).await {
                ConfirmAnswer::Approved(_) => Finding::Captured,
                ConfirmAnswer::Declined { code, .. } => Finding::NotTaken { code },
                ConfirmAnswer::Unknown { why } => {
                    warn!(payment_id = %payment.id.0, %why, "it is not known whether a payment was taken");
                    Finding::Unsure
                }
            }
        }
        Open::Unknown | Open::Declined => look(gateway, payment, &order).await,
        Open::Returning => give_back(gateway, payment, &order).await,
    }
}

async fn look(gateway: &dyn Gateway, payment: &CardPayment, order: &GatewayOrderId) -> Finding {
    match gateway.find(&payment.key).await {
        FindAnswer::Found(found) => judge(payment, &found, order),
        FindAnswer::NotFound => Finding::NotFound,
        FindAnswer::Unknown { .. } => Finding::Unsure,
    }
}

fn judge(payment: &CardPayment, found: &GatewayPayment, order: &GatewayOrderId) -> Finding {
    match found.standing(order, payment.parts.card) {
        Standing::Captured { returned } if returned == payment.parts.card => Finding::Returned,
        Standing::Captured { returned: Won(0) } => Finding::Captured,
        Standing::Captured { returned } => {
            let (payment_id, returned_won) = (payment.id.0, returned.0);
            warn!(%payment_id, returned_won, "part of a payment was given back elsewhere, a person must look");
            Finding::Unsure
        }
        Standing::Pending => Finding::Pending,
        Standing::NotTaken => Finding::NotTaken { code: "NOT_TAKEN".to_owned() },
        Standing::Differs { field } => {
            warn!(payment_id = %payment.id.0, field, "the gateway knows this payment key as somebody else's");
            Finding::NotFound
        }
    }
}

/// Gives late money back. An answer that leaves it open is looked up: the money may have gone back before.
async fn give_back(gateway: &dyn Gateway, payment: &CardPayment, order: &GatewayOrderId) -> Finding {
    let key = format!("late-{}", payment.id.0);
    let ask = Cancel {
        payment: payment.key.clone(),
        amount: None,
        reason: key.clone(),
        call_key: CallKey::parse(key).expect("a uuid is visible ASCII"),
    };
    match gateway.cancel(&ask).await {
        CancelAnswer::Cancelled { .. } => Finding::Returned,
        CancelAnswer::Refused { code, .. } => {
            warn!(payment_id = %payment.id.0, code, "the gateway does not take late money back, a person must look");
            look(gateway, payment, order).await
        }
        CancelAnswer::Unknown { .. } => look(gateway, payment, order).await,
    }
}

//! `refund.resolve`: asks the gateway to give the card's part of a refund back, with the same key until the answer is
//! definite, and does the rest of the refund with it.

use std::collections::HashMap;
use std::sync::Arc;

use holdfast::broker::envelope::Incoming;
use holdfast::domain::card::ask_again_after;
use holdfast::domain::gateway::CallKey;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::money::Won;
use holdfast::domain::refund::RefundRefusal;
use holdfast::event::OrderEvent;
use holdfast::gateway::port::{Cancel, CancelAnswer, FindAnswer, Gateway};
use holdfast::message::{Queue, ResolveRefund};
use holdfast::store::events::NewEvent;
use holdfast::store::orders::{self, OrderRow};
use holdfast::store::refunds::{self, OpenRefund};
use holdfast::store::{self, ledger};
use metrics::counter;
use sqlx::{PgConnection, PgPool};
use tracing::warn;

use crate::engine::counted_at_commit;
use crate::engine::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command};
use crate::steps::ask_gateway::{LIMIT, ask_once};
use crate::steps::distinct::distinct;
use crate::steps::facts;
use crate::steps::give_back::{Refunded, give_back};

/// The worker. Locks orders, then purses, then SKUs, each in order.
#[derive(Clone)]
pub struct ResolveRefunds {
    pub gateway: Arc<dyn Gateway>,
}

/// A command with what the gateway said to it.
#[derive(Debug)]
pub struct ResolvingRefund {
    command: ResolveRefund,
    /// Nothing if the refund is at its end, is not known, or another message of the batch asks for it.
    finding: Option<RefundFinding>,
}

/// What the gateway's answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RefundFinding {
    /// The money is back.
    Returned,
    /// It does not give it back.
    Refused { code: String },
    /// It did not say.
    Unsure,
}

impl Worker for ResolveRefunds {
    type Message = ResolvingRefund;

    fn queue(&self) -> String {
        Queue::RefundResolve.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 64, weight: usize::MAX, prefetch: 128 }
    }

    fn read(&self, incoming: &Incoming) -> Result<ResolvingRefund, Verdict> {
        read_command(incoming).map(|command| ResolvingRefund { command, finding: None })
    }

    async fn prepare(&self, pool: &PgPool, batch: &mut [Delivered<ResolvingRefund>]) -> sqlx::Result<()> {
        let ids: Vec<CommandId> = batch.iter().map(|delivered| delivered.message.command.refund_id).collect();
        let found = store::within(pool, LIMIT, async |conn| refunds::find_open(conn, &ids).await).await?;
        let open = found.into_iter().map(|refund| (refund.id, refund)).collect();
        let findings =
            ask_once(
                &ids,
                open,
                |refund: OpenRefund| async move { ask(self.gateway.as_ref(), &refund).await },
            );
        let delivered = batch.iter_mut().zip(findings.await);
        delivered.for_each(|(delivered, finding)| delivered.message.finding = finding);
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<ResolvingRefund>],
    ) -> Result<Applied, ApplyError> {
        let (order_ids, ids): (Vec<OrderId>, Vec<CommandId>) = batch
            .iter()
            .map(|delivered| &delivered.message.command)
            .map(|command| (command.order_id, command.refund_id))
            .unzip();
        let orders: HashMap<OrderId, OrderRow> =
            orders::lock(tx, &order_ids).await?.into_iter().map(|order| (order.id, order)).collect();
        let now = orders::transaction_time(tx).await?;
        ledger::lock_purses(tx, &distinct(orders.values().map(|order| order.customer_id.as_str()))).await?;
        let open: HashMap<CommandId, OpenRefund> =
            refunds::find_open(tx, &ids).await?.into_iter().map(|refund| (refund.id, refund)).collect();

        let findings: HashMap<CommandId, &RefundFinding> = batch
            .iter()
            .filter_map(|delivered| {
                Some((delivered.message.command.refund_id, delivered.message.finding.as_ref()?))
            })
            .collect();
        let verdicts = ids
            .iter()
            .map(|id| match (open.get(id), findings.get(id)) {
                (Some(refund), Some(RefundFinding::Unsure) | None) => Verdict::Later {
                    why: "the gateway has given no definite answer",
                    after: ask_again_after(now - refund.created_at),
                },
                _ => Verdict::Done,
            })
            .collect();
        carry_out(tx, orders, open.values(), &findings).await?;
        Ok(Applied { verdicts, ..Applied::default() })
    }
}

/// Ends the refunds whose answer is definite.
async fn carry_out(
    tx: &mut PgConnection,
    orders: HashMap<OrderId, OrderRow>,
    open: impl Iterator<Item = &OpenRefund>,
    findings: &HashMap<CommandId, &RefundFinding>,
) -> sqlx::Result<()> {
    let (mut ended, mut done, mut unsure, mut refused) = (vec![], vec![], vec![], vec![]);
    for refund in open {
        let Some(order) = orders.get(&refund.order_id) else { continue };
        let (id, order_id) = (refund.id, refund.order_id);
        match findings.get(&id) {
            Some(RefundFinding::Returned) => {
                ended.push((id, None));
                let customer_id = order.customer_id.clone();
                done.push(Refunded { id, order_id, customer_id, parts: refund.parts });
            }
            Some(RefundFinding::Refused { code }) => {
                ended.push((id, Some(code.clone())));
                let (reason, code) = (RefundRefusal::Gateway, Some(code.clone()));
                let event = OrderEvent::RefundRefused { refund_id: id, reason, code };
                refused.push(NewEvent { order_id, command_id: Some(id), event });
            }
            Some(RefundFinding::Unsure) => unsure.push(id),
            None => {}
        }
    }
    refunds::finish(tx, &ended).await?;
    refunds::note_inquiries(tx, &unsure).await?;
    counted_at_commit::count(counter!("holdfast_refunds_total", "outcome" => "refused"), refused.len());
    facts::append(tx, &refused).await?;
    give_back(tx, &done, orders).await
}

/// Asks for the money. An answer that leaves it open, or a refusal, is looked up: it may have gone back before.
async fn ask(gateway: &dyn Gateway, refund: &OpenRefund) -> RefundFinding {
    let key = format!("refund-{}", refund.id.0);
    let ask = Cancel {
        payment: refund.key.clone(),
        amount: Some(refund.parts.card),
        reason: key.clone(),
        call_key: CallKey::parse(key.clone()).expect("a uuid is visible ASCII"),
    };
    let otherwise = match gateway.cancel(&ask).await {
        CancelAnswer::Cancelled { .. } => return RefundFinding::Returned,
        CancelAnswer::Refused { code, .. } => RefundFinding::Refused { code },
        CancelAnswer::Unknown { why } => {
            warn!(refund_id = %refund.id.0, %why, "it is not known whether the gateway gave the money back");
            RefundFinding::Unsure
        }
    };
    match gateway.find(&refund.key).await {
        FindAnswer::Found(payment) if payment.cancels.iter().any(|cancel| cancel.reason == key) => {
            RefundFinding::Returned
        }
        // Somebody else gave everything back, at the gateway itself.
        FindAnswer::Found(payment) if payment.balance == Won(0) => {
            RefundFinding::Refused { code: "GIVEN_BACK_ELSEWHERE".to_owned() }
        }
        FindAnswer::Found(_) => otherwise,
        // A refusal stands only if the gateway also says that nothing went back.
        FindAnswer::NotFound | FindAnswer::Unknown { .. } => RefundFinding::Unsure,
    }
}

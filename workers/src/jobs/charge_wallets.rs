//! `wallet.charge`: asks the gateway what a charge by card needs to come to its end, and carries out the answer. As with
//! payments of orders the call is made before the transaction, and made again until the answer is definite.

mod plan;

use std::collections::HashMap;
use std::sync::Arc;

use holdfast::broker::envelope::Incoming;
use holdfast::domain::gateway::GatewayOrderId;
use holdfast::domain::ids::CommandId;
use holdfast::domain::ledger::Purse;
use holdfast::gateway::port::Gateway;
use holdfast::message::{ChargeWallet, Queue};
use holdfast::store::charges::by_card::CardCharge;
use holdfast::store::{self, charges, ledger, orders};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::engine::worker::{Applied, ApplyError, BatchLimits, Delivered, Verdict, Worker, read_command};
use crate::steps::ask_gateway::{Inquiry, LIMIT, Question, ask_each, contested, decide_each, quiet, verdict};
use crate::steps::distinct::distinct;
use plan::ChargePlan;

/// The worker. Locks charges, then purses, each in order.
#[derive(Clone)]
pub struct ChargeWallets {
    pub gateway: Arc<dyn Gateway>,
}

/// A command with what the gateway said to it.
#[derive(Debug)]
pub struct Charging {
    command: ChargeWallet,
    asked: Inquiry,
}

impl From<&CardCharge> for Question {
    fn from(charge: &CardCharge) -> Self {
        Self {
            id: charge.id,
            order: GatewayOrderId::from(charge.id.0),
            amount: charge.amount,
            key: charge.key.clone(),
            status: charge.status,
            created_at: charge.requested_at,
        }
    }
}

impl Worker for ChargeWallets {
    type Message = Charging;

    fn queue(&self) -> String {
        Queue::WalletCharge.name().to_owned()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { messages: 64, weight: usize::MAX, prefetch: 128 }
    }

    fn read(&self, incoming: &Incoming) -> Result<Charging, Verdict> {
        read_command(incoming).map(|command| Charging { command, asked: Inquiry::NotYet })
    }

    fn subjects(&self, message: &Charging, about: &mut dyn FnMut(Uuid)) {
        about(message.command.charge_id.0);
    }

    async fn prepare(&self, pool: &PgPool, batch: &mut [Delivered<Charging>]) -> sqlx::Result<()> {
        let ids = ids(batch);
        let (found, looked_at) = store::within(pool, LIMIT, async |conn| {
            let looked_at = orders::transaction_time(conn).await?;
            Ok::<_, sqlx::Error>((charges::by_card::find(conn, &ids).await?, looked_at))
        })
        .await?;
        let open = found.into_iter().map(|charge| (charge.id, charge)).collect();
        let asked = ask_each(self.gateway.as_ref(), &ids, open, looked_at).await;
        batch.iter_mut().zip(asked).for_each(|(delivered, asked)| delivered.message.asked = asked);
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        batch: &[Delivered<Charging>],
    ) -> Result<Applied, ApplyError> {
        let locked = charges::by_card::lock(tx, &ids(batch)).await?;
        let now = orders::transaction_time(tx).await?;
        let customers = distinct(locked.iter().map(|charge| charge.customer_id.as_str()));
        ledger::lock_purses(tx, &customers).await?;
        let fills = charges::fills(tx, &customers, Purse::Wallet).await?;
        let locked: HashMap<CommandId, CardCharge> =
            locked.into_iter().map(|charge| (charge.id, charge)).collect();

        let contested = contested(tx, locked.values().map(|charge| (charge.status, &charge.key))).await?;
        let mut plan = ChargePlan::new(fills, now, quiet(self.gateway.as_ref()));
        let asked = batch.iter().map(|delivered| &delivered.message.asked);
        let decided = decide_each(asked, &locked, &contested, |row, answer| plan.decide(row, answer));
        let verdicts = batch
            .iter()
            .map(|Delivered { message: Charging { command, asked }, .. }| {
                let locked = locked.get(&command.charge_id).map(Question::from);
                verdict(asked, decided.get(&command.charge_id), locked, command.is_hint, now)
            })
            .collect();
        let unsettled = plan.carry_out(tx).await?;
        Ok(Applied { verdicts, unsettled, ..Applied::default() })
    }
}

fn ids(batch: &[Delivered<Charging>]) -> Vec<CommandId> {
    batch.iter().map(|delivered| delivered.message.command.charge_id).collect()
}

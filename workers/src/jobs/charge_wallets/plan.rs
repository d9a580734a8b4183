//! What the answers of a batch come to, and carrying it out: one statement per table.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::domain::card::{CardDecision, CardFinding, Case, next};
use holdfast::domain::charge::{Fill, wanted};
use holdfast::domain::ledger::{Account, Phase, Purse, charge};
use holdfast::domain::money::Won;
use holdfast::store::charges::by_card::{CardCharge, ChargeChange};
use holdfast::store::charges::{self, ChargeStatus};
use holdfast::store::ledger::{self, Posting};
use metrics::counter;
use sqlx::PgConnection;
use tracing::warn;

use crate::engine::counted_at_commit;
use crate::engine::worker::{Unsettled, Verdict};
use crate::steps::ask_gateway::{GatewayAnswer, ask_on, some_more_times};

/// What a batch does.
pub(super) struct ChargePlan {
    /// How full the wallets of its customers are, kept up to date charge by charge.
    fills: HashMap<String, Fill>,
    now: DateTime<Utc>,
    /// After this time no call to the gateway is on its way any more.
    quiet: TimeDelta,
    changes: Vec<ChargeChange>,
    postings: Vec<Posting>,
    /// Charges whose money is to go back.
    returning: Vec<Unsettled>,
}

impl ChargePlan {
    pub(super) fn new(fills: HashMap<String, Fill>, now: DateTime<Utc>, quiet: TimeDelta) -> Self {
        Self { fills, now, quiet, changes: vec![], postings: vec![], returning: vec![] }
    }

    /// Decides one charge, and what becomes of its message.
    pub(super) fn decide(&mut self, card: &CardCharge, answer: &GatewayAnswer) -> Verdict {
        let finding = &answer.finding;
        let not_found = *finding == CardFinding::NotFound;
        let open_for = self.now - card.requested_at;
        let case = Case {
            status: card.status,
            wanted: wanted(open_for),
            not_found_count: card.not_found_count + i32::from(not_found),
            age: answer.looked_at - card.asked_at,
            quiet: self.quiet,
        };
        match next(case, finding) {
            CardDecision::Pay => {
                self.free(card);
                self.post(card, false);
            }
            CardDecision::Late => self.decide_late(card),
            CardDecision::Decline(reason, code) => {
                self.free(card);
                let declined = Some((reason, code));
                self.changes.push(ChargeChange { declined, ..changed(card, ChargeStatus::Declined) });
                count("declined");
            }
            CardDecision::Returned => {
                self.changes.push(changed(card, ChargeStatus::Returned));
                count("returned");
            }
            CardDecision::AskAgain(open) => {
                self.changes.push(ChargeChange { not_found, ..changed(card, open.into()) });
                return ask_on(open, open_for);
            }
            CardDecision::LookAgain => return some_more_times("the gateway could not be asked"),
            CardDecision::Leave => {}
        }
        Verdict::Done
    }

    /// Money for a charge that counts as declined: it is posted if the wallet still takes it, and goes back if not.
    fn decide_late(&mut self, card: &CardCharge) {
        let fits = self.fill(card).takes(card.amount, Purse::Wallet.limit());
        warn!(charge_id = %card.id.0, amount_won = card.amount.0, fits, "money came for a declined charge");
        counted_at_commit::count(counter!("holdfast_late_payments_total"), 1);
        if fits {
            return self.post(card, true);
        }
        self.changes.push(ChargeChange { is_late: true, ..changed(card, ChargeStatus::Returning) });
        self.returning.push(Unsettled::Charge(card.id));
    }

    fn post(&mut self, card: &CardCharge, is_late: bool) {
        let fill = self.fill(card);
        fill.balance = Won(fill.balance.0 + card.amount.0);
        let balance = Some(fill.balance);
        self.changes.push(ChargeChange { is_late, balance, ..changed(card, ChargeStatus::Posted) });
        let customer_id = card.customer_id.clone();
        let entries = charge(Purse::Wallet, Account::Gateway, card.amount);
        self.postings.push(Posting { transaction: card.id, phase: Phase::Posted, customer_id, entries });
        count("posted");
    }

    /// What was on its way is that no longer.
    fn free(&mut self, card: &CardCharge) {
        let fill = self.fill(card);
        fill.incoming = Won(fill.incoming.0 - card.amount.0);
    }

    fn fill(&mut self, card: &CardCharge) -> &mut Fill {
        self.fills.entry(card.customer_id.clone()).or_default()
    }

    /// Does it all. Returns the charges whose money is to go back.
    pub(super) async fn carry_out(self, tx: &mut PgConnection) -> sqlx::Result<Vec<Unsettled>> {
        charges::by_card::change(tx, &self.changes).await?;
        ledger::post(tx, &self.postings).await?;
        Ok(self.returning)
    }
}

fn changed(card: &CardCharge, status: ChargeStatus) -> ChargeChange {
    ChargeChange { id: card.id, status, not_found: false, is_late: false, balance: None, declined: None }
}

fn count(outcome: &'static str) {
    counted_at_commit::count(counter!("holdfast_charges_total", "outcome" => outcome), 1);
}

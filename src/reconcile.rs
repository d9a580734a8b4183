//! Reconciliation: the gateway's transactions beside our payments, and every payment where the two disagree.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::domain::gateway::{GatewayPayment, GatewayStatus, PaymentKey, TransactionKind};
use crate::domain::ids::{CommandId, OrderId};
use crate::gateway::port::{FindAnswer, Gateway, List, ListAnswer, MAX_PAGE};
use crate::store::charges;
use crate::store::payments::booked::Booked;
use crate::store::payments::{self, PaymentStatus, card_movements};

/// Keys that are looked up in one statement.
const KEYS_AT_ONCE: usize = 1_000;
/// Entries of the ledger that are read in one statement.
const MOVEMENTS_AT_ONCE: usize = 5_000;
/// What is compared at once: its transactions must fit into memory.
const SLICE: TimeDelta = TimeDelta::hours(1);

/// What is to be compared: transactions from one second to another, both included.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// How the two disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The gateway took money under a key that we do not know.
    UnknownToUs,
    /// We count money that the gateway does not have for us.
    NotAtGateway,
    /// The gateway has another amount for us than we count.
    AmountDiffers,
    /// The payment is not at its end yet.
    StillOpen,
}

/// A payment where the two disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub kind: DifferenceKind,
    /// The gateway's name of the payment.
    pub payment_key: PaymentKey,
    /// Ours, if we know it.
    pub payment_id: Option<CommandId>,
    /// Its order, if we know it.
    pub order_id: Option<OrderId>,
    /// The charge of a wallet that it is for instead.
    pub charge_id: Option<CommandId>,
    /// The refund of it that is not at its end, if there is one.
    pub refund_id: Option<CommandId>,
    /// What we count, in won.
    pub ours_won: i64,
    /// What the gateway has for us, in won.
    pub gateways_won: i64,
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Transactions the gateway listed.
    pub transactions: u64,
    /// Payments that were compared.
    pub payments: u64,
    /// Those where the two disagree, by payment key.
    pub differences: Vec<Difference>,
}

/// Compares a window. `progress` is told how many transactions and payments have been looked at, and up to when. Fails when
/// the gateway or the database does not answer: half a comparison is none.
pub async fn compare(
    pool: &PgPool,
    gateway: &dyn Gateway,
    window: Window,
    mut progress: impl FnMut(u64, DateTime<Utc>),
) -> anyhow::Result<Report> {
    let mut comparison = Comparison::default();
    for slice in window.slices() {
        let theirs = comparison.list(gateway, slice, &mut progress).await?;
        comparison.settle(pool, theirs, slice).await?;
        progress(comparison.looked_at(), slice.until);
    }
    comparison.ask_about_the_rest(pool, gateway, |looked_at| progress(looked_at, window.until)).await?;
    Ok(comparison.report)
}

impl Window {
    /// The window in pieces that fit into memory, one after the other, in whole seconds.
    fn slices(self) -> impl Iterator<Item = Self> {
        let whole = |instant: DateTime<Utc>| instant.trunc_subsecs(0);
        let (first, last) = (whole(self.from), whole(self.until));
        let begin = std::iter::successors(Some(first), |begin| begin.checked_add_signed(SLICE));
        begin.take_while(move |begin| *begin <= last).map(move |from| {
            let until = from + (SLICE - TimeDelta::seconds(1));
            Self { from, until: until.min(last) }
        })
    }
}

/// What moved of a payment.
#[derive(Debug, Clone, Default)]
struct Moved {
    /// Captures less cancels, in won, if the gateway listed any.
    listed: Option<i64>,
    /// What the gateway was told it was for.
    order: String,
}

impl Moved {
    fn and(self, later: Self) -> Self {
        let listed = match (self.listed, later.listed) {
            (Some(earlier), Some(later)) => Some(earlier + later),
            (earlier, later) => earlier.or(later),
        };
        Self { listed, order: if later.order.is_empty() { self.order } else { later.order } }
    }
}

type ByKey = BTreeMap<PaymentKey, Moved>;

/// A comparison on its way, slice by slice. What adds up is forgotten; only what does not is kept until the end.
#[derive(Debug, Default)]
struct Comparison {
    report: Report,
    /// What does not add up so far: the rest may be in a later slice, or outside of the window.
    open: ByKey,
    /// What added up in the last slice. What we wrote down a little later than the gateway may lie in the next one.
    settled: ByKey,
}

impl Comparison {
    fn looked_at(&self) -> u64 {
        self.report.transactions + self.report.payments
    }

    /// What moved per payment in a slice, as the gateway has it.
    async fn list(
        &mut self,
        gateway: &dyn Gateway,
        slice: Window,
        progress: &mut impl FnMut(u64, DateTime<Utc>),
    ) -> anyhow::Result<ByKey> {
        let mut moved = ByKey::new();
        let mut after = None;
        loop {
            let ask = List { from: slice.from, until: slice.until, after, limit: MAX_PAGE };
            let (transactions, next) = match gateway.list(&ask).await {
                ListAnswer::Page { transactions, next } => (transactions, next),
                ListAnswer::Unknown { why } => bail!("the gateway's transactions cannot be listed: {why}"),
            };
            for transaction in transactions {
                let of_payment = moved.entry(transaction.payment).or_default();
                of_payment.order = transaction.order;
                let sum = of_payment.listed.get_or_insert(0);
                match transaction.kind {
                    TransactionKind::Capture => *sum += transaction.amount.0,
                    TransactionKind::Cancel => *sum -= transaction.amount.0,
                    TransactionKind::Other => {}
                }
                self.report.transactions += 1;
            }
            progress(self.looked_at(), slice.from);
            match next {
                Some(next) => after = Some(next),
                None => return Ok(moved),
            }
        }
    }

    /// Adds a slice to what is open, and forgets what adds up now.
    async fn settle(&mut self, pool: &PgPool, mut theirs: ByKey, slice: Window) -> sqlx::Result<()> {
        let before = std::mem::take(&mut self.settled);
        for key in keys_moved(pool, slice).await? {
            // What added up already needs no second look because we wrote it down in this slice.
            if !before.contains_key(&key) {
                theirs.entry(key).or_default();
            }
        }
        let mut moved = ByKey::new();
        for (key, now) in theirs {
            let earlier = self.open.remove(&key).or_else(|| before.get(&key).cloned()).unwrap_or_default();
            moved.insert(key, earlier.and(now));
        }
        let ours = booked(pool, &moved).await?;
        for (key, moved) in moved {
            let sum = ours.get(&key).and_then(counted);
            if sum.is_some() && sum == moved.listed {
                self.report.payments += u64::from(!before.contains_key(&key));
                self.settled.insert(key, moved);
            } else {
                self.open.insert(key, moved);
            }
        }
        Ok(())
    }

    /// Judges what did not add up within the window.
    async fn ask_about_the_rest(
        &mut self,
        pool: &PgPool,
        gateway: &dyn Gateway,
        mut progress: impl FnMut(u64),
    ) -> anyhow::Result<()> {
        while !self.open.is_empty() {
            let rest = match self.open.keys().nth(KEYS_AT_ONCE).cloned() {
                Some(key) => self.open.split_off(&key),
                None => ByKey::new(),
            };
            let some = std::mem::replace(&mut self.open, rest);
            let ours = booked(pool, &some).await?;
            for (key, moved) in &some {
                self.report.payments += 1;
                progress(self.looked_at());
                let difference = match (ours.get(key), moved.listed) {
                    (None, None | Some(0)) => None,
                    (None, Some(listed)) => Some(difference(DifferenceKind::UnknownToUs, key, None, listed)),
                    (Some(booked), listed) => judge(gateway, key, booked, listed).await?,
                };
                self.report.differences.extend(difference);
            }
        }
        Ok(())
    }
}

/// The keys of our payments and charges whose money moved in a slice.
async fn keys_moved(pool: &PgPool, slice: Window) -> sqlx::Result<BTreeSet<PaymentKey>> {
    let mut conn = pool.acquire().await?;
    let (mut keys, mut after) = (BTreeSet::new(), None);
    loop {
        // The last second is included.
        let span = (slice.from, slice.until + TimeDelta::seconds(1));
        let page = card_movements::page(&mut conn, span, after, MOVEMENTS_AT_ONCE).await?;
        keys.extend(page.keys);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(keys),
        }
    }
}

/// Our payments and charges under these keys.
async fn booked(pool: &PgPool, theirs: &ByKey) -> sqlx::Result<BTreeMap<PaymentKey, Booked>> {
    let mut conn = pool.acquire().await?;
    let keys: Vec<PaymentKey> = theirs.keys().cloned().collect();
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS_AT_ONCE) {
        found.extend(payments::booked::by_keys(&mut conn, keys).await?);
        found.extend(charges::booked::by_keys(&mut conn, keys).await?);
    }
    // Of several tries under one key the one that may have the money counts, then one of the order that the gateway names.
    found.sort_by_cached_key(|booked| {
        let named = theirs.get(&booked.key).is_some_and(|moved| moved.order == booked.asked_for());
        (booked.status != PaymentStatus::Declined, named, booked.id)
    });
    Ok(found.into_iter().map(|booked| (booked.key.clone(), booked)).collect())
}

/// What we count of a payment, in won; nothing while it is not at its end.
fn counted(booked: &Booked) -> Option<i64> {
    match booked.status {
        PaymentStatus::Captured if booked.open_refund.is_none() => Some(booked.amount.0 - booked.refunded.0),
        PaymentStatus::Declined | PaymentStatus::Returned => Some(0),
        _ => None,
    }
}

/// A payment whose transactions do not add up within the window is asked for: the rest may lie outside of it.
async fn judge(
    gateway: &dyn Gateway,
    key: &PaymentKey,
    booked: &Booked,
    listed: Option<i64>,
) -> anyhow::Result<Option<Difference>> {
    let Some(ours) = counted(booked) else {
        return Ok(Some(difference(DifferenceKind::StillOpen, key, Some(booked), listed.unwrap_or(0))));
    };
    if listed == Some(ours) {
        return Ok(None);
    }
    let theirs = match gateway.find(key).await {
        FindAnswer::Found(found) => balance(&found),
        FindAnswer::NotFound => 0,
        FindAnswer::Unknown { why } => bail!("the gateway does not say where {} stands: {why}", key.as_str()),
    };
    let kind = if theirs == 0 { DifferenceKind::NotAtGateway } else { DifferenceKind::AmountDiffers };
    let differs = Difference { ours_won: ours, ..difference(kind, key, Some(booked), theirs) };
    Ok((theirs != ours).then_some(differs))
}

/// What the gateway has of a payment, in won.
fn balance(payment: &GatewayPayment) -> i64 {
    match payment.status {
        GatewayStatus::Done | GatewayStatus::PartlyCancelled | GatewayStatus::Cancelled => payment.balance.0,
        _ => 0,
    }
}

fn difference(
    kind: DifferenceKind,
    key: &PaymentKey,
    booked: Option<&Booked>,
    gateways_won: i64,
) -> Difference {
    Difference {
        kind,
        payment_key: key.clone(),
        payment_id: booked.filter(|booked| booked.order_id.is_some()).map(|booked| booked.id),
        order_id: booked.and_then(|booked| booked.order_id),
        charge_id: booked.filter(|booked| booked.order_id.is_none()).map(|booked| booked.id),
        refund_id: booked.and_then(|booked| booked.open_refund),
        ours_won: 0,
        gateways_won,
    }
}

//! Reconciliation: the gateway's transactions beside our payments, and every payment where the two disagree.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::domain::gateway::{GatewayPayment, GatewayStatus, PaymentKey, TransactionKind};
use crate::domain::ids::{CommandId, OrderId};
use crate::gateway::port::{FindAnswer, Gateway, List, ListAnswer, MAX_PAGE};
use crate::store::booked_charges;
use crate::store::card_payments::{self, Booked};
use crate::store::payments::PaymentStatus;

/// Keys that are looked up in one statement.
const KEYS_AT_ONCE: usize = 1_000;

/// What is to be compared: transactions from one second to another, both included.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The first second.
    pub from: DateTime<Utc>,
    /// The last second.
    pub until: DateTime<Utc>,
}

/// How the two disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
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
    /// How.
    pub kind: Kind,
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

/// Compares a window. `progress` is told how many transactions and payments have been looked at. Fails when the gateway
/// or the database does not answer: half a comparison is none.
pub async fn compare(
    pool: &PgPool,
    gateway: &dyn Gateway,
    window: Window,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let theirs = list(gateway, window, &mut report, &mut progress).await?;
    let ours = booked(pool, &theirs, window).await?;
    let keys: BTreeSet<&PaymentKey> = theirs.keys().chain(ours.keys()).collect();
    for key in keys {
        report.payments += 1;
        progress(report.transactions + report.payments);
        let listed = theirs.get(key).map(|moved| moved.sum_won);
        let difference = match ours.get(key) {
            None if listed == Some(0) => None,
            None => Some(difference(Kind::UnknownToUs, key, None, listed.unwrap_or(0))),
            Some(booked) => judge(gateway, key, booked, listed).await?,
        };
        report.differences.extend(difference);
    }
    Ok(report)
}

/// What moved of a payment in the window.
#[derive(Debug, Clone, Default)]
struct Moved {
    /// Captures less cancels, in won.
    sum_won: i64,
    /// What the gateway was told it was for.
    order: String,
}

/// What moved per payment in the window.
async fn list(
    gateway: &dyn Gateway,
    window: Window,
    report: &mut Report,
    progress: &mut impl FnMut(u64),
) -> anyhow::Result<BTreeMap<PaymentKey, Moved>> {
    let mut moved: BTreeMap<PaymentKey, Moved> = BTreeMap::new();
    let mut after = None;
    loop {
        let ask = List { from: window.from, until: window.until, after, limit: MAX_PAGE };
        let (transactions, next) = match gateway.list(&ask).await {
            ListAnswer::Page { transactions, next } => (transactions, next),
            ListAnswer::Unknown { why } => bail!("the gateway's transactions cannot be listed: {why}"),
        };
        for transaction in transactions {
            let of_payment = moved.entry(transaction.payment).or_default();
            of_payment.order = transaction.order;
            match transaction.kind {
                TransactionKind::Capture => of_payment.sum_won += transaction.amount.0,
                TransactionKind::Cancel => of_payment.sum_won -= transaction.amount.0,
                TransactionKind::Other => {}
            }
            report.transactions += 1;
        }
        progress(report.transactions);
        match next {
            Some(next) => after = Some(next),
            None => return Ok(moved),
        }
    }
}

/// Our payments and charges under these keys, and those whose money moved in the window.
async fn booked(
    pool: &PgPool,
    theirs: &BTreeMap<PaymentKey, Moved>,
    window: Window,
) -> sqlx::Result<BTreeMap<PaymentKey, Booked>> {
    let mut conn = pool.acquire().await?;
    let mut keys: BTreeSet<PaymentKey> = theirs.keys().cloned().collect();
    keys.extend(card_payments::keys_moved_between(&mut conn, window.from, window.until).await?);
    keys.extend(booked_charges::keys_posted_between(&mut conn, window.from, window.until).await?);
    let keys: Vec<PaymentKey> = keys.into_iter().collect();
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS_AT_ONCE) {
        found.extend(card_payments::by_keys(&mut conn, keys).await?);
        found.extend(booked_charges::by_keys(&mut conn, keys).await?);
    }
    // Of several tries under one key the one that may have the money counts, then one of the order that the gateway names.
    found.sort_by_cached_key(|booked| {
        let named = theirs.get(&booked.key).is_some_and(|moved| moved.order == booked.asked_for());
        (booked.status != PaymentStatus::Declined, named, booked.id)
    });
    Ok(found.into_iter().map(|booked| (booked.key.clone(), booked)).collect())
}

/// A payment whose transactions do not add up within the window is asked for: the rest may lie outside of it.
async fn judge(
    gateway: &dyn Gateway,
    key: &PaymentKey,
    booked: &Booked,
    listed: Option<i64>,
) -> anyhow::Result<Option<Difference>> {
    let ours = match booked.status {
        PaymentStatus::Captured if booked.open_refund.is_none() => booked.amount.0 - booked.refunded.0,
        PaymentStatus::Declined | PaymentStatus::Returned => 0,
        _ => {
            return Ok(Some(difference(Kind::StillOpen, key, Some(booked), listed.unwrap_or(0))));
        }
    };
    if listed == Some(ours) {
        return Ok(None);
    }
    let theirs = match gateway.find(key).await {
        FindAnswer::Found(found) => balance(&found),
        FindAnswer::NotFound => 0,
        FindAnswer::Unknown { why } => bail!("the gateway does not say where {} stands: {why}", key.as_str()),
    };
    let kind = if theirs == 0 { Kind::NotAtGateway } else { Kind::AmountDiffers };
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

fn difference(kind: Kind, key: &PaymentKey, booked: Option<&Booked>, gateways_won: i64) -> Difference {
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

//! One order's whole story, in the order of time: its facts, and everything around them that is written down anywhere.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::words::{self, won};
use crate::domain::ids::CommandId;
use crate::domain::order::OrderState;
use crate::domain::refund::RefundItem;
use crate::store::effects::{EffectKind, EffectStatus};
use crate::store::events::StoredEvent;
use crate::store::operators::actions::Action;
use crate::store::orders::OrderRow;
use crate::store::orders::history::{Attempt, Died, OrderEffect, OrderWebhook};
use crate::store::payments::PaymentStatus;
use crate::store::refunds::{RefundRow, RefundStatus};

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// A fact of the event log.
    Transition,
    /// An attempt to pay, and what the gateway said.
    Payment,
    /// Money asked back.
    Refund,
    /// What a gateway told by itself.
    Webhook,
    /// When something falls due, or was woken.
    Timer,
    /// A mail or a report.
    Notice,
    /// A message that was set aside.
    DeadLetter,
    /// What an operator did.
    Operator,
}

impl RowKind {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transition => "transition",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Webhook => "webhook",
            Self::Timer => "timer",
            Self::Notice => "notice",
            Self::DeadLetter => "dead_letter",
            Self::Operator => "operator",
        }
    }
}

/// Something that happened, or is to happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineRow {
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of thing.
    pub kind: RowKind,
    /// What, in plain words.
    pub title: String,
    /// What belongs to it.
    pub details: Vec<TimelineDetail>,
    /// The console's page about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineDetail {
    /// What it is.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// Where the story is written down.
pub(super) struct Sources<'a> {
    pub(super) facts: &'a [StoredEvent],
    pub(super) payments: &'a [Attempt],
    pub(super) refunds: &'a [RefundRow],
    pub(super) refund_items: &'a [(CommandId, RefundItem)],
    pub(super) webhooks: &'a [OrderWebhook],
    pub(super) effects: &'a [OrderEffect],
    pub(super) dead_letters: &'a [Died],
    pub(super) actions: &'a [Action],
}

/// A row to which details are added.
fn row(at: DateTime<Utc>, kind: RowKind, title: impl Into<String>) -> TimelineRow {
    TimelineRow { at, kind, title: title.into(), details: vec![], link: None }
}

impl TimelineRow {
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.details.push(TimelineDetail { name: name.to_owned(), value: value.to_string() });
        self
    }

    fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// The story of an order. Of what happened at once, what was asked for comes before what came of it.
pub(super) fn of(order: &OrderRow, sources: &Sources<'_>) -> Vec<TimelineRow> {
    let mut rows: Vec<TimelineRow> = Vec::new();
    rows.extend(sources.actions.iter().map(of_action));
    rows.extend(sources.payments.iter().map(asked_for));
    rows.extend(sources.payments.iter().filter_map(answered));
    rows.extend(sources.refunds.iter().map(|refund| of_refund(refund, sources.refund_items)));
    rows.extend(sources.facts.iter().map(of_fact));
    rows.extend(deadlines(order, sources.facts));
    rows.extend(sources.payments.iter().filter_map(woken));
    rows.extend(sources.webhooks.iter().map(of_webhook));
    rows.extend(sources.effects.iter().map(of_effect));
    rows.extend(sources.dead_letters.iter().flat_map(of_dead_letter));
    rows.sort_by_key(|row| row.at);
    rows
}

fn of_fact(fact: &StoredEvent) -> TimelineRow {
    let data: Value = serde_json::from_str(fact.data.get()).unwrap_or(Value::Null);
    let title = words::fact(&fact.kind, data["paid"] == true);
    let refusal = &data["refusal"]["reason"];
    let why = data["reason"].as_str().or(refusal.as_str()).map(words::reason);
    let title = why.map_or_else(|| title.to_owned(), |why| format!("{title}: {why}"));
    let mut row = row(fact.occurred_at, RowKind::Transition, title).with("fact", &fact.kind);
    for (name, value) in data.as_object().into_iter().flatten() {
        row = match (name.as_str(), value) {
            ("reason" | "customer_id" | "paid", _) | (_, Value::Null) => row,
            ("amount_won", Value::Number(amount)) => row.with("amount", won(amount.as_i64().unwrap_or(0))),
            (name, Value::String(text)) => row.with(&name.replace('_', " "), text),
            ("items", Value::Array(items)) => row.with("units", units(items)),
            (name, value) => row.with(&name.replace('_', " "), value),
        };
    }
    row.with_some("command", fact.command_id.map(|command| command.0))
}

/// Refunded units as a fact tells them.
fn units(items: &[Value]) -> String {
    let unit = |item: &Value| {
        let becomes = if item["restocked"] == true { "sold again" } else { "written off" };
        format!("{} × {} ({becomes})", item["quantity"], item["sku"].as_str().unwrap_or_default())
    };
    items.iter().map(unit).collect::<Vec<_>>().join(", ")
}

/// When the hold falls due, or would have.
fn deadlines(order: &OrderRow, facts: &[StoredEvent]) -> Vec<TimelineRow> {
    let is_live = matches!(order.state, OrderState::Held(_) | OrderState::Paying(_));
    let set: Vec<DateTime<Utc>> = facts
        .iter()
        .filter(|fact| matches!(fact.kind.as_str(), "order.held" | "order.extended"))
        .filter_map(|fact| serde_json::from_str::<Value>(fact.data.get()).ok())
        .filter_map(|data| data["expires_at"].as_str()?.parse().ok())
        .collect();
    let Some((last, earlier)) = set.split_last() else { return vec![] };
    let earlier = earlier
        .iter()
        .map(|at| row(*at, RowKind::Timer, "The first deadline, which was put off before it came"));
    let title = match &order.state {
        _ if is_live => "The hold falls due",
        OrderState::Expired { .. } => "The hold fell due",
        _ => "The hold would have fallen due",
    };
    let last = row(*last, RowKind::Timer, title).with("extensions", order.extension_count);
    earlier.chain(std::iter::once(last)).collect()
}

fn asked_for(payment: &Attempt) -> TimelineRow {
    let parts = [
        (payment.card_won, "by card"),
        (payment.wallet_won, "from the wallet"),
        (payment.points_won, "from points"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, from)| format!("{} {from}", won(amount)))
        .collect();
    let what = if parts.is_empty() { "nothing to pay".to_owned() } else { parts.join(", ") };
    row(payment.created_at, RowKind::Payment, format!("Payment asked for: {what}"))
        .with("payment", payment.id)
        .with("status", payment.status.name())
        .with_some("payment key", payment.payment_key.as_ref())
}

/// The gateway's last answer, and how many came before it.
fn answered(payment: &Attempt) -> Option<TimelineRow> {
    let at = payment.last_inquiry_at?;
    let said = match payment.status {
        PaymentStatus::Requesting => "nothing is taken yet, and it is asked for the money again",
        PaymentStatus::Unknown => "nothing definite, and it is asked again",
        PaymentStatus::Captured => "the money is taken",
        PaymentStatus::Declined => "nothing was taken",
        PaymentStatus::Returning => "late money was taken, and it is asked to give it back",
        PaymentStatus::Returned => "late money is given back",
    };
    let before = payment.inquiry_count - 1;
    let before = match before {
        ..=0 => String::new(),
        1 => " after an answer that was not definite".to_owned(),
        before => format!(" after {before} answers that were not definite"),
    };
    let row = row(at, RowKind::Payment, format!("The gateway said: {said}{before}"))
        .with("payment", payment.id)
        .with("times asked", payment.inquiry_count)
        .with_some("gateway's code", payment.decline_code.as_ref());
    Some(row)
}

fn woken(payment: &Attempt) -> Option<TimelineRow> {
    let title = "The sweeper found that nobody had asked about the payment, and had it asked about";
    Some(row(payment.woken_at?, RowKind::Timer, title).with("payment", payment.id))
}

fn of_refund(refund: &RefundRow, items: &[(CommandId, RefundItem)]) -> TimelineRow {
    let title = format!("Refund asked for: {}", won(refund.amount.0));
    let title = match refund.status {
        RefundStatus::Requesting => format!("{title}; the gateway is asked for the card's part"),
        RefundStatus::Done | RefundStatus::Refused => title,
    };
    let own = items.iter().filter(|(id, _)| *id == refund.id).map(|(_, item)| {
        let becomes = if item.restock { "to be sold again" } else { "written off" };
        format!("{} × {} ({becomes})", item.quantity, item.sku)
    });
    let reason = Some(refund.reason.as_str()).filter(|reason| !reason.is_empty());
    row(refund.created_at, RowKind::Refund, title)
        .with("refund", refund.id.0)
        .with("status", refund.status.name())
        .with("units", own.collect::<Vec<_>>().join(", "))
        .with_some("reason", reason)
}

fn of_webhook(webhook: &OrderWebhook) -> TimelineRow {
    let row =
        row(webhook.received_at, RowKind::Webhook, format!("{} told us: {}", webhook.provider, webhook.kind))
            .with("event", &webhook.event_id)
            .with("signed", if webhook.signed { "yes" } else { "no" });
    match webhook.payment_id {
        Some(payment) => row.with("payment", payment),
        None => row.with("payment", "none of ours"),
    }
}

fn of_effect(effect: &OrderEffect) -> TimelineRow {
    let what = match effect.kind {
        EffectKind::Mail => "Mail to the customer",
        EffectKind::Report => "Report to the data platform",
    };
    let (at, became) = match effect.status {
        EffectStatus::Open if effect.attempts > 0 => (effect.due_at, "is tried again"),
        EffectStatus::Open => (effect.due_at, "waits to be sent"),
        EffectStatus::Done => (effect.done_at.unwrap_or(effect.due_at), "was sent"),
        EffectStatus::Skipped => {
            (effect.done_at.unwrap_or(effect.due_at), "was not sent: nobody is to be told, or it is too late")
        }
        EffectStatus::Dead => {
            (effect.done_at.unwrap_or(effect.due_at), "was given up; its message is a dead letter")
        }
    };
    row(at, RowKind::Notice, format!("{what} {became}"))
        .with("attempts", effect.attempts)
        .with_some("last error", effect.last_error.as_ref())
}

fn of_dead_letter(letter: &Died) -> Vec<TimelineRow> {
    let told = |at, title: String| TimelineRow {
        link: Some(format!("/ops/dead-letters/{}", letter.id)),
        ..row(at, RowKind::DeadLetter, title)
            .with("dead letter", letter.id)
            .with("status", &letter.status)
            .with("error", format!("{}: {}", letter.error_class, letter.error_text))
    };
    let mut rows = vec![told(letter.first_died_at, format!("A message of {} was set aside", letter.queue))];
    if letter.death_count > 1 {
        let title = format!("It was set aside again: {} times so far", letter.death_count);
        rows.push(told(letter.last_died_at, title));
    }
    rows
}

fn of_action(action: &Action) -> TimelineRow {
    let title = format!("{} {}", action.actor, words::action(&action.action));
    row(action.created_at, RowKind::Operator, title)
        .with_some("reason", action.reason.as_ref())
        .with_some("before", action.before.as_ref())
        .with_some("after", action.after.as_ref())
}

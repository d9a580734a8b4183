//! How orders look to operators, in JSON as on pages.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::timeline::{self, Sources, TimelineRow};
use super::words;
use crate::domain::allocation::HeldItem;
use crate::domain::ids::CommandId;
use crate::domain::order::OrderState;
use crate::domain::refund::{OrderLine, RefundItem};
use crate::http::views::OrderView;
use crate::store::orders::OrderRow;
use crate::store::orders::history::Attempt;
use crate::store::refunds::RefundRow;

/// Some orders, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsOrderPage)]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<OrderSummary>,
    /// Pass it as `after` to read on; absent at the end. A page of a search for a SKU, or for some states of one customer's
    /// orders, may have fewer orders than others, or none, and go on all the same: it looks through 5,000 orders at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Uuid>,
}

/// An order in a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsOrderSummary)]
pub struct OrderSummary {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub customer: String,
    /// Where it stands.
    pub status: Cow<'static, str>,
    /// What it costs, in whole won.
    pub amount_won: i64,
    /// What of that was given back, in whole won.
    pub refunded_won: i64,
    /// What it holds or bought.
    pub items: Vec<ItemSummary>,
    /// When a worker decided it.
    pub created_at: DateTime<Utc>,
    /// From this instant on it cannot be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Seconds until then while it is on hold, negative once it is overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<i64>,
}

/// Units of one SKU.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsOrderItem)]
pub struct ItemSummary {
    /// The SKU's code.
    pub sku: String,
    /// How many.
    pub quantity: i32,
}

impl OrderSummary {
    /// An order with its items, at this moment.
    pub(super) fn new<'a>(
        row: &OrderRow,
        items: impl Iterator<Item = &'a HeldItem>,
        now: DateTime<Utc>,
    ) -> Self {
        let item = |item: &HeldItem| ItemSummary { sku: item.sku.to_string(), quantity: item.quantity };
        Self {
            id: row.id.uuid(),
            customer: row.customer_id.clone(),
            status: row.state.name().into(),
            amount_won: row.amount.0,
            refunded_won: row.refunded.0,
            items: items.map(item).collect(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            seconds_left: seconds_left(row, now),
        }
    }
}

fn seconds_left(row: &OrderRow, now: DateTime<Utc>) -> Option<i64> {
    match &row.state {
        OrderState::Waiting(wait) => Some((wait.until - now).num_seconds()),
        OrderState::Held(hold) | OrderState::Paying(hold) => Some((hold.expires_at - now).num_seconds()),
        _ => None,
    }
}

/// An order with everything that happened to it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsOrder)]
pub struct OrderDetail {
    /// The order as its customer sees it.
    pub order: OrderView,
    /// Whose it is.
    pub customer: String,
    /// What its status means.
    pub explained: Cow<'static, str>,
    /// Seconds until its hold falls due while it is on hold, negative once it is overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<i64>,
    /// Whether it can be called off now.
    pub can_cancel: bool,
    /// Whether anything of it can be given back now.
    pub can_refund: bool,
    /// Whether a gateway still owes a definite answer about it.
    pub is_unsettled: bool,
    /// Attempts to pay it, oldest first.
    pub payments: Vec<PaymentDetail>,
    /// What was given back, or is on its way back, the latest 200, oldest first.
    pub refunds: Vec<RefundDetail>,
    /// What is paid and can still be given back.
    #[serde(default)]
    pub left: Vec<UnitsLeft>,
    /// What happened, oldest first; what is to come stands at its end.
    pub timeline: Vec<TimelineRow>,
}

/// Units of one SKU that can still be given back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsUnitsLeft)]
pub struct UnitsLeft {
    pub sku: String,
    pub units: i32,
}

/// An attempt to pay.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsPayment)]
pub struct PaymentDetail {
    /// Its id.
    pub id: Uuid,
    /// requesting, unknown, captured, declined, returning or returned
    pub status: Cow<'static, str>,
    /// What that means.
    pub explained: Cow<'static, str>,
    /// Whether the gateway's answer is not definite yet.
    pub is_open: bool,
    /// The order's amount, in whole won.
    pub amount_won: i64,
    /// What of it is paid by card.
    pub card_won: i64,
    /// What of it comes from the wallet.
    pub wallet_won: i64,
    /// What of it comes from points.
    pub points_won: i64,
    /// The gateway's name of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_key: Option<String>,
    /// Why nothing was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    /// The gateway's code of a decline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// How often the gateway was asked.
    pub inquiry_count: i32,
    /// When it last was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_inquiry_at: Option<DateTime<Utc>>,
    /// When the payment was asked for.
    pub created_at: DateTime<Utc>,
}

impl From<&Attempt> for PaymentDetail {
    fn from(attempt: &Attempt) -> Self {
        Self {
            id: attempt.id,
            status: attempt.status.name().into(),
            explained: words::payment(attempt.status).into(),
            is_open: attempt.status.is_open(),
            amount_won: attempt.amount_won,
            card_won: attempt.card_won,
            wallet_won: attempt.wallet_won,
            points_won: attempt.points_won,
            payment_key: attempt.payment_key.clone(),
            decline_reason: attempt.decline_reason.clone(),
            decline_code: attempt.decline_code.clone(),
            inquiry_count: attempt.inquiry_count,
            last_inquiry_at: attempt.last_inquiry_at,
            created_at: attempt.created_at,
        }
    }
}

/// Money given back, or on its way back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsRefund)]
pub struct RefundDetail {
    /// Its id.
    pub id: Uuid,
    /// requesting, done or refused
    pub status: Cow<'static, str>,
    /// What that means.
    pub explained: Cow<'static, str>,
    /// What it comes to, in whole won.
    pub amount_won: i64,
    /// What of it goes back to the card.
    pub card_won: i64,
    /// What of it goes back to the wallet.
    pub wallet_won: i64,
    /// What of it goes back to the points.
    pub points_won: i64,
    /// Why.
    pub reason: String,
    /// The units.
    pub items: Vec<RefundedUnits>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// Units whose money goes back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsRefundedUnits)]
pub struct RefundedUnits {
    /// The SKU's code.
    pub sku: String,
    /// How many.
    pub quantity: i32,
    /// What they cost, in whole won.
    pub amount_won: i64,
    /// Whether they are sold again; written off otherwise.
    pub restock: bool,
}

impl RefundDetail {
    fn new(row: &RefundRow, items: &[(CommandId, RefundItem)]) -> Self {
        let own = items.iter().filter(|(id, _)| *id == row.id);
        let units = own.map(|(_, item)| RefundedUnits {
            sku: item.sku.to_string(),
            quantity: item.quantity,
            amount_won: item.amount.0,
            restock: item.restock,
        });
        Self {
            id: row.id.0,
            status: row.status.name().into(),
            explained: words::refund(row.status).into(),
            amount_won: row.amount.0,
            card_won: row.parts.card.0,
            wallet_won: row.parts.wallet.0,
            points_won: row.parts.points.0,
            reason: row.reason.clone(),
            items: units.collect(),
            created_at: row.created_at,
        }
    }
}

/// What is known of an order's money after its gateway was asked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsResolved)]
pub struct Resolved {
    /// The payments and refunds that are asked about; nothing was done if there are none.
    pub asked: Vec<Uuid>,
    /// Whether every answer is definite now.
    pub is_settled: bool,
    /// The attempts to pay as they stand.
    pub payments: Vec<PaymentDetail>,
    /// The refunds as they stand.
    pub refunds: Vec<RefundDetail>,
}

impl OrderDetail {
    /// An order with what belongs to it, at this moment.
    pub(super) fn new(
        row: &OrderRow,
        items: &[HeldItem],
        sources: &Sources<'_>,
        open_refunds: &[CommandId],
        left: &[OrderLine],
        now: DateTime<Utc>,
    ) -> Self {
        let Sources { payments, refunds, refund_items, .. } = sources;
        let is_payment_open = payments.iter().any(|payment| payment.status.is_open());
        let left = left.iter().filter(|line| line.left > 0);
        Self {
            order: OrderView::decided(row, items),
            customer: row.customer_id.clone(),
            explained: words::order(&row.state).into(),
            seconds_left: seconds_left(row, now),
            can_cancel: row.state.can_be_cancelled(),
            can_refund: matches!(row.state, OrderState::Paid { .. } | OrderState::PartlyRefunded),
            is_unsettled: is_payment_open || !open_refunds.is_empty(),
            payments: payments.iter().map(PaymentDetail::from).collect(),
            refunds: refunds.iter().map(|refund| RefundDetail::new(refund, refund_items)).collect(),
            left: left.map(|line| UnitsLeft { sku: line.sku.to_string(), units: line.left }).collect(),
            timeline: timeline::of(row, sources),
        }
    }
}

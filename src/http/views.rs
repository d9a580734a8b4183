//! Bodies of answers.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::allocation::HeldItem;
use crate::domain::ids::OrderId;
use crate::domain::money::Won;
use crate::domain::order::{Hold, OrderState};
use crate::domain::sku::SkuDefinition;
use crate::store::charges::{Charge, ChargeStatus};
use crate::store::orders::OrderRow;
use crate::store::refunds::RefundRow;
use crate::store::stock::skus::SkuRow;

/// Every price and amount is in Korean won.
pub(super) const CURRENCY: &str = "KRW";

/// An order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    /// Its id.
    pub id: Uuid,
    /// accepted, waiting, held, paying, paid, partly_refunded, refunded, refused, expired or cancelled
    pub status: Cow<'static, str>,
    /// What all items cost, in whole won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_won: Option<i64>,
    /// What was given back of it, in whole won, if anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded_won: Option<i64>,
    /// Always KRW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Cow<'static, str>>,
    /// When it was decided: its hold began, unless it waited in line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// From this instant on it cannot be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// What was left of its hold when it was read, in milliseconds: by the clock that decides, so that a page can count down whatever
    /// its own clock says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<i64>,
    /// Whether it is held and would be given the usual 600 seconds once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_extend: Option<bool>,
    /// It waits in line: its turn comes before this instant or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_until: Option<DateTime<Utc>>,
    /// When the hold ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
    /// How often the hold was extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension_count: Option<i16>,
    /// Until then its customer may give back what is left of it, and not longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_until: Option<DateTime<Utc>>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Value>,
    /// What is held or sold, as it was called and cost when the hold began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemView>,
}

/// One SKU of an order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    /// The SKU's code.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// Units.
    pub quantity: i32,
    /// The price of one unit before discount, in whole won.
    pub unit_price_won: i64,
    /// What is taken off, from 0 to 1.
    pub discount_ratio: f64,
    /// What all units cost after discount, in whole won.
    pub amount_won: i64,
}

impl From<&HeldItem> for ItemView {
    fn from(item: &HeldItem) -> Self {
        Self {
            sku: item.sku.to_string(),
            name: item.name.clone(),
            quantity: item.quantity,
            unit_price_won: item.unit_price.0,
            discount_ratio: item.discount.ratio(),
            amount_won: item.amount.0,
        }
    }
}

impl OrderView {
    /// An order that waits in its queue.
    pub fn accepted(id: OrderId) -> Self {
        Self {
            id: id.uuid(),
            status: OrderState::Accepted.name().into(),
            amount_won: None,
            refunded_won: None,
            currency: None,
            created_at: None,
            expires_at: None,
            expires_in_ms: None,
            may_extend: None,
            wait_until: None,
            closed_at: None,
            extension_count: None,
            return_until: None,
            refusal: None,
            items: vec![],
        }
    }

    /// A decided order with its items.
    pub fn decided(order: &OrderRow, items: &[HeldItem]) -> Self {
        let closed_at = match &order.state {
            OrderState::Paid { paid_at } => Some(*paid_at),
            OrderState::Expired { released_at, .. } => Some(*released_at),
            OrderState::Cancelled { cancelled_at } => Some(*cancelled_at),
            _ => None,
        };
        let wait_until = match &order.state {
            OrderState::Waiting(wait) => Some(wait.until),
            _ => None,
        };
        let refusal = match &order.state {
            OrderState::Refused(refusal) => serde_json::to_value(refusal).ok(),
            _ => None,
        };
        let hold = match &order.state {
            OrderState::Held(hold) => Some(*hold),
            _ => None,
        };
        let left = |hold: Hold| (hold.expires_at - order.read_at).num_milliseconds().max(0);
        Self {
            id: order.id.uuid(),
            status: order.state.name().into(),
            amount_won: Some(order.amount.0),
            refunded_won: (order.refunded > Won(0)).then_some(order.refunded.0),
            currency: Some(CURRENCY.into()),
            created_at: Some(order.created_at),
            expires_at: order.expires_at.filter(|_| wait_until.is_none()),
            expires_in_ms: hold.map(left),
            may_extend: hold.map(|hold| hold.may_be_extended(order.read_at)),
            wait_until,
            closed_at,
            extension_count: Some(order.extension_count),
            return_until: None,
            refusal,
            items: items.iter().map(ItemView::from).collect(),
        }
    }
}

impl OrderView {
    /// The same, where a customer may give back for so many days.
    pub fn returnable_for(self, days: u16, order: &OrderRow) -> Self {
        let until = order.paid_at.map(|paid_at| paid_at + TimeDelta::days(days.into()));
        let is_left = !matches!(order.state, OrderState::Refunded);
        let return_until = until.filter(|until| days > 0 && is_left && *until > order.read_at);
        Self { return_until, ..self }
    }
}

/// Money given back, or on its way back.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundView {
    /// Its id.
    pub id: Uuid,
    /// requesting (the gateway is asked for the card's part), done or refused
    pub status: &'static str,
    /// What it comes to, in whole won.
    pub amount_won: i64,
    /// What of it goes back to the card.
    pub card_won: i64,
    /// What of it goes back to the wallet.
    pub wallet_won: i64,
    /// What of it goes back to the points.
    pub points_won: i64,
    /// Why, in the shop's words.
    pub reason: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl From<&RefundRow> for RefundView {
    fn from(row: &RefundRow) -> Self {
        Self {
            id: row.id.0,
            status: row.status.name(),
            amount_won: row.amount.0,
            card_won: row.parts.card.0,
            wallet_won: row.parts.wallet.0,
            points_won: row.parts.points.0,
            reason: row.reason.clone(),
            created_at: row.created_at,
        }
    }
}

/// Some orders, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderList {
    /// The orders.
    pub orders: Vec<OrderView>,
    /// Pass it as `after` to read on; absent at the end. A page of one status may have fewer orders than asked for, or none,
    /// and go on all the same: it looks through 5,000 orders at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Uuid>,
}

/// A SKU with its stock.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SkuView {
    /// Its code.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// The price of one unit, in whole won.
    pub price_won: i64,
    /// What is taken off, from 0 to 1.
    pub discount_ratio: f64,
    /// Units of it one customer may have, if it sets a limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_customer: Option<i32>,
    /// False once the shop no longer sells it.
    pub is_active: bool,
    /// It is not sold before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_from: Option<DateTime<Utc>>,
    /// It is not sold from this instant on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_until: Option<DateTime<Utc>>,
    /// Units owned.
    pub on_hand: i32,
    /// Units set aside.
    pub reserved: i32,
    /// Units the next buyer can have; overdue holds no longer keep theirs.
    pub available: i32,
    /// True if so many holds of the shop are overdue that only the oldest 1,000 were looked through for this SKU: then at
    /// least so many units are available.
    #[serde(default, skip_serializing_if = "is_false")]
    pub available_is_at_least: bool,
}

/// Whether a remark is left out because there is nothing to remark.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(crate) fn is_false(remark: &bool) -> bool {
    !*remark
}

impl From<SkuRow> for SkuView {
    fn from(row: SkuRow) -> Self {
        let SkuDefinition { code, name, price, discount, max_per_customer, sale } = row.definition;
        Self {
            sku: code.into(),
            name: name.into(),
            price_won: price.0,
            discount_ratio: discount.ratio(),
            max_per_customer,
            is_active: sale.is_active,
            sale_from: sale.from,
            sale_until: sale.until,
            on_hand: row.on_hand,
            reserved: row.reserved,
            available: row.on_hand - row.reserved + row.overdue,
            available_is_at_least: row.overdue_has_more,
        }
    }
}

/// Some SKUs in the order of their codes.
#[derive(Debug, Serialize, ToSchema)]
pub struct SkuList {
    /// The SKUs.
    pub skus: Vec<SkuView>,
    /// Pass it as `after` to read on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A wallet, or points.
#[derive(Debug, Serialize, ToSchema)]
pub struct WalletView {
    /// What can be spent, in whole won.
    pub balance_won: i64,
    /// What payments have set aside whose card is still being asked.
    pub reserved_won: i64,
    /// Always KRW.
    pub currency: &'static str,
}

impl WalletView {
    /// A purse that holds this much.
    pub fn new(balance_won: i64, reserved_won: i64) -> Self {
        Self { balance_won, reserved_won, currency: CURRENCY }
    }
}

/// A charge of a wallet or of points.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChargeView {
    /// Its id.
    pub id: Uuid,
    /// open (to be paid by card), paying, posted, refused, declined; late money of a declined one may be returning or
    /// returned
    pub status: &'static str,
    /// What is to be added, in whole won.
    pub amount_won: i64,
    /// What could be spent afterwards, in whole won, once it is posted or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance_won: Option<i64>,
    /// Why it was declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<&Charge> for ChargeView {
    fn from(charge: &Charge) -> Self {
        let status = match charge.status {
            ChargeStatus::Open => "open",
            ChargeStatus::Requesting | ChargeStatus::Unknown => "paying",
            ChargeStatus::Posted => "posted",
            ChargeStatus::Refused => "refused",
            ChargeStatus::Declined => "declined",
            ChargeStatus::Returning => "returning",
            ChargeStatus::Returned => "returned",
        };
        Self {
            id: charge.id.0,
            status,
            amount_won: charge.amount.0,
            balance_won: charge.balance.map(|balance| balance.0),
            reason: charge.decline_reason.clone(),
        }
    }
}

/// An error, after RFC 9457. Further members depend on its type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name, such as `urn:holdfast:problem:out-of-stock`.
    #[schema(rename = "type")]
    pub r#type: String,
    /// The same in words.
    pub title: String,
    /// The status code.
    pub status: u16,
    /// What to do about it.
    pub detail: String,
}

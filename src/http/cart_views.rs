//! Carts as they are told.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::{CURRENCY, is_false};
use crate::domain::cart::CheckoutOutcome;
use crate::domain::items::RequestedItem;
use crate::domain::sku::{SaleState, SkuDefinition};
use crate::store::carts::checkouts::LastCheckout;
use crate::store::carts::shown::{Line, ShownCart};
use crate::store::stock::skus::SkuRow;

/// A cart. It sets nothing aside: what is in it anybody may buy.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartView {
    /// What is in it, in the order it was put in.
    pub items: Vec<CartItemView>,
    /// What all of it costs now, after discount, in whole won, without what `is_unknown`.
    pub amount_won: i64,
    /// Always KRW.
    pub currency: &'static str,
    /// The last checkout of this cart, if there was one within the last month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_checkout: Option<CheckoutView>,
}

/// One SKU of a cart.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CartItemView {
    /// The SKU's code.
    pub sku: String,
    /// Units.
    pub quantity: i32,
    /// What one unit cost after discount when it was put in, in whole won.
    pub put_in_at_won: i64,
    /// True if buyers cannot see the SKU any more, as the shop hides its product or the catalogue does not know it: then nothing
    /// more is told of it.
    #[serde(skip_serializing_if = "is_false")]
    pub is_unknown: bool,
    /// The product's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The price of one unit before discount now, in whole won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price_won: Option<i64>,
    /// What is taken off now, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_ratio: Option<f64>,
    /// What one unit costs after discount now, in whole won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discounted_price_won: Option<i64>,
    /// What all units cost after discount now, in whole won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_won: Option<i64>,
    /// Whether one unit cost something else when it was put in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_changed: Option<bool>,
    /// Whether it is sold now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale: Option<SaleState>,
    /// When it will be, if that is to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale_from: Option<DateTime<Utc>>,
    /// Units the next buyer can have; overdue holds no longer keep theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<i32>,
    /// True if there may be more of them than `available` says.
    #[serde(skip_serializing_if = "is_false")]
    pub available_is_at_least: bool,
    /// Whether there are as many as are in the cart.
    pub is_enough: bool,
}

/// A checkout of a cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckoutView {
    /// Its order.
    pub order_id: Uuid,
    /// open (not decided yet), held (its items have left the cart), refused, or given_up (its order was called off in line, or
    /// nobody has seen it for long)
    pub status: &'static str,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Why it was refused: which SKU fell short, and how many there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Value>,
}

/// Two carts that have become one.
#[derive(Debug, Serialize, ToSchema)]
pub struct MergedView {
    /// The customer's cart as it is now.
    #[serde(flatten)]
    pub cart: CartView,
    /// What of the guest's cart did not fit, and is still in there.
    pub left_out: Vec<LeftOutView>,
}

/// Units that did not fit into a cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftOutView {
    /// The SKU's code.
    pub sku: String,
    /// Units.
    pub quantity: i32,
}

/// A guest who was made just now.
#[derive(Debug, Serialize, ToSchema)]
pub struct GuestView {
    /// The secret to show in `Holdfast-Guest`. Whoever has it has the cart.
    pub guest: String,
}

impl CartItemView {
    fn new(line: Line, now: DateTime<Utc>) -> Self {
        let unknown = Self {
            sku: line.sku_code,
            quantity: line.quantity,
            put_in_at_won: line.unit_amount.0,
            is_unknown: true,
            ..Self::default()
        };
        match line.sku {
            Some(sku) => unknown.known_as(sku, now),
            None => unknown,
        }
    }

    /// The same with what the catalogue says of it now.
    fn known_as(self, sku: SkuRow, now: DateTime<Utc>) -> Self {
        let SkuDefinition { name, price, discount, sale, .. } = sku.definition;
        let discounted_price_won = discount.apply(price).0;
        let available = sku.on_hand - sku.reserved + sku.overdue;
        let state = sale.state(now);
        Self {
            is_unknown: false,
            name: Some(name.into()),
            unit_price_won: Some(price.0),
            discount_ratio: Some(discount.ratio()),
            discounted_price_won: Some(discounted_price_won),
            // A thousand units at the highest price, fifty times, are far below where this would wrap.
            amount_won: Some(discounted_price_won * i64::from(self.quantity)),
            price_changed: Some(discounted_price_won != self.put_in_at_won),
            sale: Some(state),
            sale_from: sale.from.filter(|_| state == SaleState::Upcoming),
            available: Some(available),
            available_is_at_least: sku.overdue_has_more,
            is_enough: available >= self.quantity,
            ..self
        }
    }
}

impl From<LastCheckout> for CheckoutView {
    fn from(checkout: LastCheckout) -> Self {
        let status = match checkout.outcome {
            None => "open",
            Some(CheckoutOutcome::Held) => "held",
            Some(CheckoutOutcome::Refused | CheckoutOutcome::OfAnotherOrder) => "refused",
            Some(CheckoutOutcome::GivenUp) => "given_up",
        };
        Self {
            order_id: checkout.order.uuid(),
            status,
            created_at: checkout.created_at,
            refusal: checkout.refusal,
        }
    }
}

impl From<ShownCart> for CartView {
    fn from(cart: ShownCart) -> Self {
        let items: Vec<CartItemView> =
            cart.lines.into_iter().map(|line| CartItemView::new(line, cart.now)).collect();
        let amount_won = items.iter().filter_map(|item| item.amount_won).sum();
        let last_checkout = cart.last_checkout.map(Into::into);
        Self { items, amount_won, currency: CURRENCY, last_checkout }
    }
}

impl From<&RequestedItem> for LeftOutView {
    fn from(left_out: &RequestedItem) -> Self {
        Self { sku: left_out.sku.to_string(), quantity: left_out.quantity.units() }
    }
}

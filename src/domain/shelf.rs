//! What there is, the SKUs of a batch as they stand, and what is set aside of it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::ids::{SkuCode, SkuId};
use super::money::{DiscountRatio, Won};
use super::sku::Sale;

/// A SKU as it stands under lock.
#[derive(Debug, Clone)]
pub struct ShelfSku {
    pub id: SkuId,
    /// Its name in the catalogue.
    pub name: String,
    /// The price of one unit before discount.
    pub price: Won,
    /// What is taken off the price.
    pub discount: DiscountRatio,
    /// This SKU's own limit of units per customer.
    pub max_per_customer: Option<u32>,
    /// When it is sold.
    pub sale: Sale,
    /// Units that can be held.
    pub available: i32,
    /// The smallest number of units that somebody in its line wants, or less.
    pub least_waiting: Option<i32>,
}

impl ShelfSku {
    /// Whether somebody in its line may be served from what there is, and so comes first.
    pub fn has_turn(&self, now: DateTime<Utc>) -> bool {
        self.least_waiting.is_some_and(|least| least <= self.available) && self.sale.is_on(now)
    }
}

/// The SKUs of a batch, by code.
pub type Shelf = HashMap<SkuCode, ShelfSku>;

/// One SKU of a held order, with what it was called and cost at that moment.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldItem {
    pub sku_id: SkuId,
    pub sku: SkuCode,
    pub name: String,
    pub quantity: i32,
    /// The price of one unit before discount.
    pub unit_price: Won,
    /// What was taken off.
    pub discount: DiscountRatio,
    /// What all units cost after discount.
    pub amount: Won,
}

//! The business noes: answers, not errors.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::SkuCode;
use super::money::Won;
use super::shelf::HeldItem;

/// Why a hold was refused. Stored with the order and told to the caller as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// At least one SKU has too few units available.
    OutOfStock {
        /// Each SKU that is short.
        shortages: Vec<Shortage>,
    },
    /// The catalogue knows no such SKU.
    UnknownSku {
        /// Each unknown SKU.
        skus: Vec<SkuCode>,
    },
    /// At least one SKU is not sold now.
    OffSale {
        /// Each of them.
        skus: Vec<NotOnSale>,
    },
    /// The customer has as many live holds as one customer may have.
    TooManyHolds {
        /// The limit.
        limit: u32,
    },
    /// The customer would hold more units of one SKU than one customer may.
    TooManyUnits {
        /// Which SKU.
        sku: SkuCode,
        /// The limit.
        limit: u32,
        /// Units asked for by this order.
        requested: u32,
        /// Units the customer has already.
        already_held: u32,
    },
    /// It waited in line for as long as it wanted, and its turn did not come.
    WaitEnded,
    /// The order's amount is above what one order may cost.
    AmountTooLarge,
    /// It costs something else than the buyer was told.
    PriceChanged {
        /// What the buyer was told.
        expected_amount_won: Won,
        /// What it costs now.
        amount_won: Won,
        /// Each SKU with its price.
        items: Vec<PricedItem>,
    },
}

/// A SKU of which too little is available.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shortage {
    /// Which SKU.
    pub sku: SkuCode,
    /// Units asked for.
    pub requested: u32,
    /// Units there are.
    pub available: u32,
}

/// A SKU that is not sold now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotOnSale {
    /// Which SKU.
    pub sku: SkuCode,
    /// When its sale begins, if it is to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_from: Option<DateTime<Utc>>,
}

/// What a SKU of an order costs now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PricedItem {
    /// Which SKU.
    pub sku: SkuCode,
    /// Units asked for.
    pub quantity: u32,
    /// The price of one unit before discount.
    pub unit_price_won: Won,
    /// What is taken off, from 0 to 1.
    pub discount_ratio: f64,
    /// What all units cost after discount.
    pub amount_won: Won,
}

impl From<&HeldItem> for PricedItem {
    fn from(item: &HeldItem) -> Self {
        Self {
            sku: item.sku.clone(),
            quantity: item.quantity.unsigned_abs(),
            unit_price_won: item.unit_price,
            discount_ratio: item.discount.ratio(),
            amount_won: item.amount,
        }
    }
}

/// Why a hold was not extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExtensionRefusal {
    /// The hold's time is up.
    Expired,
    /// The order is not on hold: paid, cancelled or refused.
    NotHeld,
    /// It was extended as often as a hold may be.
    TooOften,
    /// The new deadline would be later than a hold may last by extension.
    TooLong,
}

/// Why a payment was declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// The wallet has less than the payment takes from it.
    InsufficientBalance,
    /// The customer has fewer points than the payment takes.
    InsufficientPoints,
    /// The payment is of another amount than the order.
    AmountDiffers,
    /// The order costs something else than the buyer was told.
    PriceChanged,
    /// The payment key pays for something else already.
    KeyInUse,
    /// The card company or the gateway said no.
    CardDeclined,
    /// The gateway knows no such payment.
    UnknownPayment,
    /// The buyer did not finish at the gateway before the hold's time was up.
    NotApproved,
    /// The money was given back at the gateway, not by us.
    GivenBack,
}

impl DeclineReason {
    /// Its name in tables, the same as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::InsufficientBalance => "insufficient_balance",
            Self::InsufficientPoints => "insufficient_points",
            Self::AmountDiffers => "amount_differs",
            Self::PriceChanged => "price_changed",
            Self::KeyInUse => "key_in_use",
            Self::CardDeclined => "card_declined",
            Self::UnknownPayment => "unknown_payment",
            Self::NotApproved => "not_approved",
            Self::GivenBack => "given_back",
        }
    }
}

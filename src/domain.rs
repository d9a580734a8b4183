//! The rules, pure: no IO and no clock. Time is an argument, decisions are values.

pub mod allocation;
pub mod card;
pub mod cart;
pub mod catalogue;
pub mod charge;
pub mod contact;
pub mod extension;
pub mod gateway;
pub mod ids;
pub mod items;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod notice;
pub mod order;
pub mod payment;
pub mod reason;
pub mod refund;
pub mod refusal;
pub mod shelf;
pub mod shop_path;
pub mod sku;
pub mod waiting;

/// A value from outside that breaks a rule of its type. The text names the field and the rule, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {must}")]
pub struct Invalid {
    /// The field as callers spell it.
    pub field: &'static str,
    /// The rule that was broken, as the end of a sentence.
    pub must: &'static str,
}

impl Invalid {
    pub(crate) const fn new(field: &'static str, must: &'static str) -> Self {
        Self { field, must }
    }
}

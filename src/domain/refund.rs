//! The decision of a refund: which units, what they cost, and where the money goes back to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;
use super::ids::{SkuCode, SkuId};
use super::items::Quantity;
use super::money::Won;
use super::payment::Parts;

/// Units of one SKU that a shop gives the money back for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AskedItem {
    /// Which SKU.
    pub sku: SkuCode,
    /// How many units.
    pub quantity: Quantity,
    /// Whether they are sold again; written off otherwise.
    pub restock: bool,
}

/// What a shop asks to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Everything that was not given back before.
    All {
        /// Whether the units are sold again.
        restock: bool,
    },
    /// These items.
    Items(Vec<AskedItem>),
}

impl Asked {
    /// Whether some units are not sold again.
    pub fn keeps_any(&self) -> bool {
        match self {
            Self::All { restock } => !restock,
            Self::Items(items) => items.iter().any(|item| !item.restock),
        }
    }
}

/// Longer words than these are not kept with a refund.
pub const MAX_REASON_CHARS: usize = 200;

/// Why a refund is made, in the shop's words; it never reaches the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RefundReason(String);

impl RefundReason {
    /// At most 200 characters.
    pub fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if text.chars().count() <= MAX_REASON_CHARS && !text.contains('\0') {
            Ok(Self(text))
        } else {
            Err(Invalid::new("reason", "at most 200 characters"))
        }
    }

    /// As much of a text as fits.
    pub fn beginning_of(text: &str) -> Self {
        let text = text.replace('\0', "");
        if text.chars().count() <= MAX_REASON_CHARS {
            return Self(text);
        }
        Self(text.chars().take(MAX_REASON_CHARS - 1).chain(['…']).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RefundReason {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

/// An item of a paid order, with what was given back of it or is on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    pub sku_id: SkuId,
    pub sku: SkuCode,
    /// Units that are still the buyer's.
    pub left: i32,
    /// What one unit cost.
    pub unit_won: Won,
}

/// Units of one SKU that are given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundItem {
    pub sku_id: SkuId,
    pub sku: SkuCode,
    pub quantity: i32,
    pub amount: Won,
    /// Whether they are sold again.
    pub restock: bool,
}

/// Why nothing is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundRefusal {
    /// The order is not paid, or all of it was given back.
    NotPaid,
    /// The order has no such item, or fewer units of it are left.
    TooMany,
    /// The gateway does not give the money back.
    Gateway,
}

impl RefundRefusal {
    /// Its name in tables, the same as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotPaid => "not_paid",
            Self::TooMany => "too_many",
            Self::Gateway => "gateway",
        }
    }
}

/// Which units are given back, taken from `lines`; nothing is taken if it is refused.
pub fn select(lines: &mut [OrderLine], asked: &Asked) -> Result<Vec<RefundItem>, RefundRefusal> {
    let mut left = lines.to_vec();
    let items = match asked {
        Asked::All { restock } => {
            left.iter_mut().filter(|line| line.left > 0).map(|line| take(line, line.left, *restock)).collect()
        }
        Asked::Items(items) => items
            .iter()
            .map(|item| {
                let quantity = item.quantity.units();
                let line = left.iter_mut().find(|line| line.sku == item.sku && line.left >= quantity);
                line.map(|line| take(line, quantity, item.restock)).ok_or(RefundRefusal::TooMany)
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    if items.is_empty() {
        return Err(RefundRefusal::NotPaid);
    }
    lines.clone_from_slice(&left);
    Ok(items)
}

fn take(line: &mut OrderLine, quantity: i32, restock: bool) -> RefundItem {
    line.left -= quantity;
    let amount = line.unit_won.times(quantity).expect("a part of an order costs no more than the order");
    RefundItem { sku_id: line.sku_id, sku: line.sku.clone(), quantity, amount, restock }
}

/// Where an amount goes back to: by card first, then to the wallet, then to the points, to each at most what is `left`
/// of what came from there.
pub fn split(amount: Won, left: Parts) -> Parts {
    let card = amount.min(left.card);
    let wallet = Won(amount.0 - card.0).min(left.wallet);
    Parts { card, wallet, points: Won(amount.0 - card.0 - wallet.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(number: i64, left: i32, unit: i64) -> OrderLine {
        let sku = SkuCode::parse(format!("sku-{number}")).unwrap();
        OrderLine { sku_id: SkuId(number), sku, left, unit_won: Won(unit) }
    }

    fn value(lines: &[OrderLine]) -> i64 {
        lines.iter().map(|line| i64::from(line.left) * line.unit_won.0).sum()
    }

    proptest! {
        #[test]
        fn what_is_given_back_and_what_is_left_are_what_there_was(
            units in prop::collection::vec((1i32..5, 0i64..50), 1..4),
            asked in prop::collection::vec((0i64..5, 1i64..4, any::<bool>()), 0..4), all in any::<bool>(),
        ) {
            let before: Vec<OrderLine> =
                (0..).zip(&units).map(|(number, (left, unit))| line(number, *left, *unit)).collect();
            let mut lines = before.clone();
            let items = asked.iter().map(|(number, quantity, restock)| AskedItem {
                sku: SkuCode::parse(format!("sku-{number}")).unwrap(),
                quantity: Quantity::parse(*quantity).unwrap(),
                restock: *restock,
            });
            let asked = if all { Asked::All { restock: true } } else { Asked::Items(items.collect()) };
            match select(&mut lines, &asked) {
                Ok(items) => {
                    let back: i64 = items.iter().map(|item| item.amount.0).sum();
                    prop_assert_eq!(back + value(&lines), value(&before));
                    prop_assert!(lines.iter().all(|line| line.left >= 0));
                    prop_assert!(!all || value(&lines) == 0);
                }
                Err(_) => prop_assert_eq!(lines, before),
            }
        }

        #[test]
        fn money_goes_back_to_where_it_came_from_and_never_more_than_came(
            wallet in 0i64..50, points in 0i64..50, card in 0i64..50, share in 0.0f64..=1.0,
        ) {
            let left = Parts { wallet: Won(wallet), points: Won(points), card: Won(card) };
            let amount = ((wallet + points + card) as f64 * share) as i64;
            let back = split(Won(amount), left);
            prop_assert_eq!(back.total(), Some(Won(amount)));
            prop_assert!(back.wallet <= left.wallet && back.points <= left.points && back.card <= left.card);
            prop_assert!(back.card == left.card || back.wallet == Won(0) && back.points == Won(0));
        }
    }
}

//! What an order asks for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;
use super::ids::{Fingerprint, SkuCode};

/// The most different SKUs one order may name.
pub const MAX_ITEMS: usize = 50;
/// The most units of one SKU in one order.
pub const MAX_QUANTITY: i32 = 1_000;

/// One SKU and how many of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestedItem {
    /// Which SKU.
    pub sku: SkuCode,
    /// How many units, 1 to [`MAX_QUANTITY`].
    pub quantity: Quantity,
}

/// Units of one SKU in one order: 1 to [`MAX_QUANTITY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(i32);

impl Quantity {
    /// Takes a number from outside.
    pub fn parse(units: i64) -> Result<Self, Invalid> {
        match i32::try_from(units) {
            Ok(units @ 1..=MAX_QUANTITY) => Ok(Self(units)),
            _ => Err(Invalid::new("quantity", "a whole number from 1 to 1,000")),
        }
    }

    /// The number of units.
    pub fn units(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = Invalid;
    fn try_from(units: i64) -> Result<Self, Invalid> {
        Self::parse(units)
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> i64 {
        i64::from(quantity.0)
    }
}

/// The items of one order: at least one, at most [`MAX_ITEMS`], each SKU once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<RequestedItem>", into = "Vec<RequestedItem>")]
pub struct RequestedItems(Vec<RequestedItem>);

impl RequestedItems {
    /// Takes items from outside. The same SKU twice is summed, so that it is never checked apart.
    pub fn parse(items: Vec<RequestedItem>) -> Result<Self, Invalid> {
        if items.is_empty() || items.len() > MAX_ITEMS {
            return Err(Invalid::new("items", "a list of 1 to 50 items"));
        }
        let mut summed: Vec<RequestedItem> = Vec::with_capacity(items.len());
        for item in items {
            match summed.iter_mut().find(|known| known.sku == item.sku) {
                Some(known) => {
                    known.quantity = Quantity::parse(i64::from(known.quantity) + i64::from(item.quantity))?;
                }
                None => summed.push(item),
            }
        }
        Ok(Self(summed))
    }

    /// The items, in the order they were first named.
    pub fn iter(&self) -> std::slice::Iter<'_, RequestedItem> {
        self.0.iter()
    }

    /// The fingerprint of these items held for `hold_seconds`; the order in which they are named does not matter.
    pub fn fingerprint(&self, hold_seconds: HoldSeconds) -> Fingerprint {
        let mut lines: Vec<String> =
            self.iter().map(|item| format!("{} {}", item.sku, item.quantity.units())).collect();
        lines.sort_unstable();
        Fingerprint::of(&format!("{}\n{}", hold_seconds.seconds(), lines.join("\n")))
    }
}

impl TryFrom<Vec<RequestedItem>> for RequestedItems {
    type Error = Invalid;
    fn try_from(items: Vec<RequestedItem>) -> Result<Self, Invalid> {
        Self::parse(items)
    }
}

impl From<RequestedItems> for Vec<RequestedItem> {
    fn from(items: RequestedItems) -> Self {
        items.0
    }
}

/// The longest hold of an order, in seconds.
pub const MAX_HOLD_SECONDS: i32 = 86_400;

/// How long stock is held: any whole second from 1 to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct HoldSeconds(i32);

impl HoldSeconds {
    /// The standard window: twenty minutes.
    pub const STANDARD: HoldSeconds = HoldSeconds(1_200);

    /// Takes a number from outside.
    pub fn parse(seconds: i64) -> Result<Self, Invalid> {
        match i32::try_from(seconds) {
            Ok(seconds @ 1..=MAX_HOLD_SECONDS) => Ok(Self(seconds)),
            _ => Err(Invalid::new("hold_seconds", "a whole number from 1 to 86,400")),
        }
    }

    /// The number of seconds.
    pub fn seconds(self) -> i32 {
        self.0
    }
}

impl Default for HoldSeconds {
    fn default() -> Self {
        Self::STANDARD
    }
}

impl TryFrom<i64> for HoldSeconds {
    type Error = Invalid;
    fn try_from(seconds: i64) -> Result<Self, Invalid> {
        Self::parse(seconds)
    }
}

impl From<HoldSeconds> for i64 {
    fn from(hold: HoldSeconds) -> i64 {
        i64::from(hold.0)
    }
}

/// More units of one SKU than this nobody owns; sums stay far within 32 bits.
pub const MAX_ON_HAND: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sku: &str, quantity: i64) -> RequestedItem {
        RequestedItem { sku: SkuCode::parse(sku).unwrap(), quantity: Quantity::parse(quantity).unwrap() }
    }

    #[test]
    fn the_same_sku_twice_is_summed() {
        let items = RequestedItems::parse(vec![item("a", 2), item("b", 1), item("a", 3)]).unwrap();
        let units: Vec<_> = items.iter().map(|item| (item.sku.as_str(), item.quantity.units())).collect();
        assert_eq!(units, [("a", 5), ("b", 1)]);
    }

    #[test]
    fn a_sum_above_the_limit_of_one_sku_is_refused() {
        assert!(RequestedItems::parse(vec![item("a", 600), item("a", 600)]).is_err());
        assert!(RequestedItems::parse(vec![]).is_err());
        assert!(
            Quantity::parse(0).is_err() && Quantity::parse(-1).is_err() && Quantity::parse(1 << 40).is_err()
        );
    }

    #[test]
    fn the_fingerprint_ignores_the_order_of_items_but_not_their_quantities() {
        let fingerprint = |items| RequestedItems::parse(items).unwrap().fingerprint(HoldSeconds::STANDARD);
        assert_eq!(
            fingerprint(vec![item("a", 1), item("b", 2)]),
            fingerprint(vec![item("b", 2), item("a", 1)])
        );
        assert_ne!(
            fingerprint(vec![item("a", 1), item("b", 2)]),
            fingerprint(vec![item("a", 2), item("b", 1)])
        );
    }
}

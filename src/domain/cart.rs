//! What a cart may hold, what a checkout takes out of it, and how a guest's becomes a customer's. A cart is a wish: it sets
//! nothing aside.

use super::Invalid;
use super::ids::SkuCode;
use super::items::{MAX_ITEMS, MAX_QUANTITY, Quantity, RequestedItem, RequestedItems};
use super::order::OrderState;

/// What is in a cart, in the order it was put in: each SKU once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CartItems(Vec<RequestedItem>);

impl CartItems {
    /// Items of which no two are of one SKU.
    pub fn new(items: Vec<RequestedItem>) -> Self {
        Self(items)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, RequestedItem> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn quantity(&self, sku: &SkuCode) -> Option<Quantity> {
        self.0.iter().find(|item| item.sku == *sku).map(|item| item.quantity)
    }

    /// Whether this SKU may be in it: it is already, or there is room for one more.
    pub fn has_room_for(&self, sku: &SkuCode) -> bool {
        self.0.len() < MAX_ITEMS || self.quantity(sku).is_some()
    }

    /// All of it, as an order asks for it. A cart is never larger than an order, and an empty one is none.
    pub fn to_order(&self) -> Result<RequestedItems, Invalid> {
        RequestedItems::parse(self.0.clone())
    }

    /// What is left without these, be they bought or asked for by another checkout: what was put in meanwhile, and of what was raised
    /// meanwhile the difference.
    #[must_use]
    pub fn without(&self, bought: &[(SkuCode, i32)]) -> Self {
        let left = |item: &RequestedItem| {
            let taken = bought.iter().find(|(sku, _)| *sku == item.sku).map_or(0, |(_, units)| *units);
            let units = item.quantity.units().saturating_sub(taken);
            let quantity = Quantity::parse(units.into()).ok()?;
            Some(RequestedItem { sku: item.sku.clone(), quantity })
        };
        Self(self.0.iter().filter_map(left).collect())
    }

    /// Whether there is too little in it for a checkout that was asked for before and asks again, beside those that have asked for
    /// these units since.
    pub fn is_short_for(&self, again: &RequestedItems, claimed: &[(SkuCode, i32)]) -> bool {
        again.iter().any(|item| {
            let there = self.quantity(&item.sku).map_or(0, Quantity::units);
            let others = claimed.iter().find(|(sku, _)| *sku == item.sku);
            others.is_some_and(|(_, units)| there < units.saturating_add(item.quantity.units()))
        })
    }

    /// Both carts together, as far as one cart may go, and what of the other one did not fit.
    #[must_use]
    pub fn with(&self, other: &Self) -> (Self, Self) {
        let (mut together, mut left_out) = (self.clone(), Vec::new());
        for item in other.iter() {
            if let Ok(quantity) = Quantity::parse(together.add(item).into()) {
                left_out.push(RequestedItem { sku: item.sku.clone(), quantity });
            }
        }
        (together, Self(left_out))
    }

    /// Adds units of a SKU as far as they fit; returns how many do not.
    fn add(&mut self, item: &RequestedItem) -> i32 {
        if !self.has_room_for(&item.sku) {
            return item.quantity.units();
        }
        let Some(known) = self.0.iter_mut().find(|known| known.sku == item.sku) else {
            self.0.push(item.clone());
            return 0;
        };
        let sum = known.quantity.units() + item.quantity.units();
        let fits = sum.min(MAX_QUANTITY);
        known.quantity = Quantity::parse(fits.into()).unwrap_or(known.quantity);
        sum - known.quantity.units()
    }
}

/// How many units of each SKU these ask for together.
pub fn units_of<'a>(all: impl IntoIterator<Item = &'a RequestedItems>) -> Vec<(SkuCode, i32)> {
    let mut units: Vec<(SkuCode, i32)> = vec![];
    for item in all.into_iter().flat_map(RequestedItems::iter) {
        match units.iter_mut().find(|(sku, _)| *sku == item.sku) {
            Some((_, sum)) => *sum = sum.saturating_add(item.quantity.units()),
            None => units.push((item.sku.clone(), item.quantity.units())),
        }
    }
    units
}

/// What became of a checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutOutcome {
    /// Its stock was set aside, whatever became of that hold since: its items leave the cart.
    Held,
    /// Nothing was set aside: the cart stays as it is.
    Refused,
    /// Its key had been used for another order: the cart stays as it is.
    OfAnotherOrder,
    /// Its order was called off before its turn came, or nobody saw it for long and another checkout came: the cart stays as it is.
    GivenUp,
}

/// What became of a checkout whose order stands so; nothing while no worker has decided, or it waits in line. `is_the_same`: whether
/// the order asks for what the checkout asks for. `was_held`: whether a cancelled one was held before.
pub fn outcome(order: &OrderState, is_the_same: bool, was_held: bool) -> Option<CheckoutOutcome> {
    match order {
        OrderState::Accepted => None,
        _ if !is_the_same => Some(CheckoutOutcome::OfAnotherOrder),
        OrderState::Waiting(_) => None,
        OrderState::Cancelled { .. } if !was_held => Some(CheckoutOutcome::GivenUp),
        OrderState::Refused(_) => Some(CheckoutOutcome::Refused),
        OrderState::Held(_)
        | OrderState::Paying(_)
        | OrderState::Paid { .. }
        | OrderState::PartlyRefunded
        | OrderState::Refunded
        | OrderState::Expired { .. }
        | OrderState::Cancelled { .. } => Some(CheckoutOutcome::Held),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// A cart as a model knows it: units by the number of the SKU.
    type Model = BTreeMap<usize, i32>;

    fn code(number: usize) -> SkuCode {
        SkuCode::parse(format!("s{number}")).unwrap()
    }

    fn items(model: &Model) -> Vec<RequestedItem> {
        let item = |(number, units): (&usize, &i32)| RequestedItem {
            sku: code(*number),
            quantity: Quantity::parse(i64::from(*units)).unwrap(),
        };
        model.iter().map(item).collect()
    }

    fn cart(model: &Model) -> CartItems {
        CartItems::new(items(model))
    }

    fn units(cart: &CartItems, number: usize) -> i32 {
        cart.quantity(&code(number)).map_or(0, Quantity::units)
    }

    fn model(skus: usize, most: usize) -> impl Strategy<Value = Model> {
        prop::collection::btree_map(0..skus, 1..=MAX_QUANTITY, 0..=most)
    }

    proptest! {
        #[test]
        fn what_was_bought_leaves_the_cart_once_and_nothing_else_does(
            now in model(70, MAX_ITEMS), bought in model(70, MAX_ITEMS),
        ) {
            let taken: Vec<_> = bought.iter().map(|(number, units)| (code(*number), *units)).collect();
            let left = cart(&now).without(&taken);
            for number in 0..70 {
                let of = |model: &Model| model.get(&number).copied().unwrap_or(0);
                prop_assert_eq!(units(&left, number), (of(&now) - of(&bought)).max(0));
            }
            let skus: Vec<&SkuCode> = left.iter().map(|item| &item.sku).collect();
            let before = cart(&now);
            let same_order = before.iter().map(|item| &item.sku).filter(|sku| skus.contains(sku));
            prop_assert_eq!(&skus, &same_order.collect::<Vec<_>>());
        }

        #[test]
        fn two_carts_together_lose_no_unit_and_keep_every_limit(
            own in model(70, MAX_ITEMS), guests in model(70, MAX_ITEMS),
        ) {
            let (together, left_out) = cart(&own).with(&cart(&guests));
            prop_assert!(together.iter().count() <= MAX_ITEMS);
            for number in 0..70 {
                let of = |model: &Model| model.get(&number).copied().unwrap_or(0);
                let out = units(&left_out, number);
                prop_assert_eq!(units(&together, number) + out, of(&own) + of(&guests));
                prop_assert!(units(&together, number) >= of(&own) && out >= 0);
                // What fits is never left out.
                let is_full = units(&together, number) == MAX_QUANTITY
                    || (of(&own) == 0 && together.iter().count() == MAX_ITEMS);
                prop_assert!(out == 0 || is_full);
            }
            let distinct: BTreeSet<&SkuCode> = together.iter().map(|item| &item.sku).collect();
            prop_assert_eq!(distinct.len(), together.iter().count());
            prop_assert_eq!(together.is_empty(), together.to_order().is_err());
        }
    }

    #[test]
    fn a_checkout_that_asks_again_needs_units_that_no_other_has_asked_for() {
        let order = |model: &[(usize, i32)]| cart(&model.iter().copied().collect()).to_order().unwrap();
        let in_cart = cart(&Model::from([(0, 5), (1, 1)]));
        let others = units_of(&[order(&[(0, 2), (2, 1)]), order(&[(0, 1)])]);
        assert_eq!(others, [(code(0), 3), (code(2), 1)]);
        assert!(!in_cart.is_short_for(&order(&[(0, 2), (1, 9), (3, 1)]), &others));
        assert!(in_cart.is_short_for(&order(&[(0, 3)]), &others));
        assert!(in_cart.is_short_for(&order(&[(2, 1)]), &others));
    }

    #[test]
    fn a_full_cart_takes_more_of_what_it_has_and_nothing_new() {
        let full = cart(&(0..MAX_ITEMS).map(|number| (number, 1)).collect());
        assert!(full.has_room_for(&code(0)) && !full.has_room_for(&code(MAX_ITEMS)));
    }
}

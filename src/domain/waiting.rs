//! Waiting for units: on which terms, and who gets what comes free. First come, first served: an order that cannot have what
//! it wants is passed over, so that no unit lies about for which somebody else waits.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;
use super::ids::SkuId;

/// The longest wait, in seconds: 30 days.
pub const MAX_WAIT_SECONDS: i32 = 2_592_000;

/// How long an order waits for units, counted from the beginning of the sale if that is yet to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct WaitSeconds(i32);

impl WaitSeconds {
    /// A day.
    pub const STANDARD: WaitSeconds = WaitSeconds(86_400);

    pub fn parse(seconds: i64) -> Result<Self, Invalid> {
        match i32::try_from(seconds) {
            Ok(seconds @ 1..=MAX_WAIT_SECONDS) => Ok(Self(seconds)),
            _ => Err(Invalid::new("wait_seconds", "a whole number from 1 to 2,592,000")),
        }
    }

    pub fn seconds(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for WaitSeconds {
    type Error = Invalid;
    fn try_from(seconds: i64) -> Result<Self, Invalid> {
        Self::parse(seconds)
    }
}

impl From<WaitSeconds> for i64 {
    fn from(wait: WaitSeconds) -> i64 {
        i64::from(wait.0)
    }
}

/// What an order is content with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// All of its items together.
    #[default]
    All,
    /// Those of its items that there are, once there is one; the others are dropped.
    Any,
}

/// On which terms an order waits for what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitTerms {
    /// How long, in seconds.
    #[schema(value_type = i64, minimum = 1, maximum = 2592000)]
    pub seconds: WaitSeconds,
    /// What it is content with.
    pub wait_for: WaitFor,
}

/// An order in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLine {
    pub wait_for: WaitFor,
    /// What it wants, each SKU once.
    pub items: Vec<(SkuId, i32)>,
}

/// What becomes of an order whose line moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It gets these.
    Served(Vec<(SkuId, i32)>),
    /// It waits on, in the line of this SKU, of which it wants so many.
    WaitsFor(SkuId, i32),
    /// It stays where it is: of some of its SKUs nobody can say now how many are free.
    Stays,
}

/// Gives out what is free, in the order of the places. A SKU that is not among `free` is in somebody else's hands for now;
/// of one that is not sold nothing is free.
pub fn take_turns(line: &[InLine], free: &mut HashMap<SkuId, i32>) -> Vec<Turn> {
    line.iter().map(|order| take_turn(order, free)).collect()
}

fn take_turn(order: &InLine, free: &mut HashMap<SkuId, i32>) -> Turn {
    let has = |(sku, units): &&(SkuId, i32)| free.get(sku).is_some_and(|free| free >= units);
    let there: Vec<(SkuId, i32)> = order.items.iter().filter(has).copied().collect();
    let is_enough = match order.wait_for {
        WaitFor::All => there.len() == order.items.len(),
        WaitFor::Any => !there.is_empty(),
    };
    if is_enough {
        for (sku, units) in &there {
            free.entry(*sku).and_modify(|free| *free -= units);
        }
        return Turn::Served(there);
    }
    let missing = order.items.iter().find(|item| free.contains_key(&item.0) && !there.contains(item));
    match (order.wait_for, missing) {
        (WaitFor::All, Some((sku, units))) => Turn::WaitsFor(*sku, *units),
        // Whoever takes any stands in all the lines already.
        (WaitFor::All, None) | (WaitFor::Any, _) => Turn::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(wait_for: WaitFor, items: &[(i64, i32)]) -> InLine {
        InLine { wait_for, items: items.iter().map(|(sku, units)| (SkuId(*sku), *units)).collect() }
    }

    #[test]
    fn who_cannot_have_all_is_passed_over_and_waits_for_what_is_missing() {
        let mut free = HashMap::from([(SkuId(1), 2), (SkuId(2), 0)]);
        let line = [
            order(WaitFor::All, &[(1, 3)]),
            order(WaitFor::All, &[(1, 1), (2, 1)]),
            order(WaitFor::Any, &[(2, 1), (1, 1)]),
            order(WaitFor::All, &[(1, 1), (3, 1)]),
            order(WaitFor::All, &[(1, 1)]),
            order(WaitFor::All, &[(1, 1)]),
        ];
        let turns = take_turns(&line, &mut free);
        let one = vec![(SkuId(1), 1)];
        assert_eq!(
            turns,
            [
                Turn::WaitsFor(SkuId(1), 3),
                Turn::WaitsFor(SkuId(2), 1),
                Turn::Served(one.clone()),
                Turn::Stays,
                Turn::Served(one),
                Turn::WaitsFor(SkuId(1), 1),
            ]
        );
        assert_eq!(free[&SkuId(1)], 0);
    }

    proptest! {
        #[test]
        fn nothing_is_given_twice_and_nobody_is_left_who_could_have_been_served(
            units in prop::collection::vec(0i32..6, 3),
            orders in prop::collection::vec((prop::bool::ANY, prop::collection::btree_map(0i64..3, 1i32..4, 1..3)), 0..20),
        ) {
            let mut free: HashMap<SkuId, i32> =
                units.iter().enumerate().map(|(sku, units)| (SkuId(sku as i64), *units)).collect();
            let line: Vec<InLine> = orders.into_iter().map(|(any, items)| InLine {
                wait_for: if any { WaitFor::Any } else { WaitFor::All },
                items: items.into_iter().map(|(sku, units)| (SkuId(sku), units)).collect(),
            }).collect();
            let turns = take_turns(&line, &mut free);
            let mut given = vec![0; units.len()];
            for (order, turn) in line.iter().zip(&turns) {
                if let Turn::Served(items) = turn {
                    prop_assert!(!items.is_empty());
                    prop_assert!(order.wait_for == WaitFor::Any || items == &order.items);
                    items.iter().for_each(|(sku, units)| given[sku.0 as usize] += units);
                }
            }
            for (sku, units) in units.iter().enumerate() {
                prop_assert_eq!(given[sku] + free[&SkuId(sku as i64)], *units);
            }
            // Whoever was passed over cannot be served from what is left either.
            let left: Vec<InLine> = line.into_iter().zip(turns)
                .filter(|(_, turn)| !matches!(turn, Turn::Served(_))).map(|(order, _)| order).collect();
            let again = take_turns(&left, &mut free);
            prop_assert!(again.iter().all(|turn| !matches!(turn, Turn::Served(_))));
        }
    }
}

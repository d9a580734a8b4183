//! Who gets stock: one pure decision over a batch of orders, in the order they arrived.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::ids::{CustomerId, SkuCode, SkuId};
use super::items::RequestedItems;
use super::limits::Limits;
use super::money::{DiscountRatio, Won};
use super::refusal::{NotOnSale, PricedItem, Refusal, Shortage};
use super::sku::{Sale, SaleState};

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
}

/// The SKUs of a batch, by code.
pub type Shelf = HashMap<SkuCode, ShelfSku>;

/// What the customers of a batch have already.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// Live holds by customer.
    pub live_holds: HashMap<CustomerId, u32>,
    /// Units that count against the limit, by customer and SKU.
    pub units: HashMap<(CustomerId, SkuId), u32>,
}

/// One order of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    pub customer: &'a CustomerId,
    pub items: &'a RequestedItems,
    /// What the buyer was told it costs; for another amount nothing is held.
    pub expected_amount: Option<Won>,
}

/// What was decided for one order.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// All items are set aside.
    Held {
        /// Snapshots in the order the buyer named them.
        items: Vec<HeldItem>,
        amount: Won,
    },
    /// Nothing is set aside.
    Refused(Refusal),
}

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

/// Decides every order of a batch, first come first served: each decision sees what the ones before it took. All
/// items of an order are held or none.
pub fn allocate(
    demands: &[Demand<'_>],
    shelf: &mut Shelf,
    usage: &mut Usage,
    limits: Limits,
    now: DateTime<Utc>,
) -> Vec<Decision> {
    demands
        .iter()
        .map(|demand| match price(demand, shelf, usage, limits, now) {
            Ok((items, amount)) => {
                take(demand.customer, &items, shelf, usage);
                Decision::Held { items, amount }
            }
            Err(refusal) => Decision::Refused(refusal),
        })
        .collect()
}

/// The items and amount of an order that can be held, or why it cannot. Takes nothing.
fn price(
    demand: &Demand<'_>,
    shelf: &Shelf,
    usage: &Usage,
    limits: Limits,
    now: DateTime<Utc>,
) -> Result<(Vec<HeldItem>, Won), Refusal> {
    let unknown: Vec<SkuCode> = demand
        .items
        .iter()
        .filter(|item| !shelf.contains_key(&item.sku))
        .map(|item| item.sku.clone())
        .collect();
    if !unknown.is_empty() {
        return Err(Refusal::UnknownSku { skus: unknown });
    }
    let not_on_sale = not_on_sale(demand, shelf, now);
    if !not_on_sale.is_empty() {
        return Err(Refusal::OffSale { skus: not_on_sale });
    }
    if usage.live_holds.get(demand.customer).is_some_and(|&live| live >= limits.max_live_holds) {
        return Err(Refusal::TooManyHolds { limit: limits.max_live_holds });
    }

    let mut items = Vec::new();
    let mut amount = Won(0);
    let mut shortages = Vec::new();
    for item in demand.items.iter() {
        let sku = &shelf[&item.sku];
        let quantity = item.quantity.units();
        let requested = quantity.unsigned_abs();
        let limit = sku.max_per_customer.unwrap_or(limits.max_units_per_sku);
        let already_held = usage.units.get(&(demand.customer.clone(), sku.id)).copied().unwrap_or(0);
        if already_held + requested > limit {
            return Err(Refusal::TooManyUnits { sku: item.sku.clone(), limit, requested, already_held });
        }
        if quantity > sku.available {
            let available = sku.available.max(0).unsigned_abs();
            shortages.push(Shortage { sku: item.sku.clone(), requested, available });
        }
        let cost = sku.discount.apply(sku.price).times(quantity).ok_or(Refusal::AmountTooLarge)?;
        amount = amount.plus(cost).ok_or(Refusal::AmountTooLarge)?;
        items.push(HeldItem {
            sku_id: sku.id,
            sku: item.sku.clone(),
            name: sku.name.clone(),
            quantity,
            unit_price: sku.price,
            discount: sku.discount,
            amount: cost,
        });
    }
    if !shortages.is_empty() {
        return Err(Refusal::OutOfStock { shortages });
    }
    match demand.expected_amount {
        Some(expected) if expected != amount => Err(Refusal::PriceChanged {
            expected_amount_won: expected,
            amount_won: amount,
            items: items.iter().map(PricedItem::from).collect(),
        }),
        _ => Ok((items, amount)),
    }
}

/// The SKUs of an order that are not sold now.
fn not_on_sale(demand: &Demand<'_>, shelf: &Shelf, now: DateTime<Utc>) -> Vec<NotOnSale> {
    let closed = demand.items.iter().filter_map(|item| {
        let sale = shelf[&item.sku].sale;
        let sale_from = match sale.state(now) {
            SaleState::On => return None,
            SaleState::Upcoming => sale.from,
            SaleState::Off => None,
        };
        Some(NotOnSale { sku: item.sku.clone(), sale_from })
    });
    closed.collect()
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

fn take(customer: &CustomerId, items: &[HeldItem], shelf: &mut Shelf, usage: &mut Usage) {
    *usage.live_holds.entry(customer.clone()).or_default() += 1;
    for item in items {
        if let Some(sku) = shelf.get_mut(&item.sku) {
            sku.available -= item.quantity;
        }
        *usage.units.entry((customer.clone(), item.sku_id)).or_default() += item.quantity.unsigned_abs();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::items::{Quantity, RequestedItem};
    use proptest::prelude::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn code(name: &str) -> SkuCode {
        SkuCode::parse(name).unwrap()
    }

    fn sku(id: i64, available: i32, price: i64) -> ShelfSku {
        ShelfSku {
            id: SkuId(id),
            name: format!("SKU {id}"),
            price: Won(price),
            discount: DiscountRatio::default(),
            max_per_customer: None,
            sale: Sale::default(),
            available,
        }
    }

    fn items(wanted: &[(&str, i64)]) -> RequestedItems {
        let items = wanted
            .iter()
            .map(|(sku, units)| RequestedItem { sku: code(sku), quantity: Quantity::parse(*units).unwrap() })
            .collect();
        RequestedItems::parse(items).unwrap()
    }

    fn decide(shelf: &mut Shelf, limits: Limits, demands: &[(&str, &[(&str, i64)])]) -> Vec<Decision> {
        let owned: Vec<_> =
            demands.iter().map(|(who, wanted)| (CustomerId::parse(*who).unwrap(), items(wanted))).collect();
        let demands: Vec<_> =
            owned.iter().map(|(customer, items)| Demand { customer, items, expected_amount: None }).collect();
        allocate(&demands, shelf, &mut Usage::default(), limits, NOW)
    }

    #[test]
    fn the_last_unit_goes_to_the_first_who_asked() {
        let mut shelf = Shelf::from([(code("a"), sku(1, 1, 100))]);
        let decisions = decide(&mut shelf, Limits::default(), &[("x", &[("a", 1)]), ("y", &[("a", 1)])]);
        assert!(matches!(&decisions[0], Decision::Held { amount: Won(100), .. }));
        let shortages = vec![Shortage { sku: code("a"), requested: 1, available: 0 }];
        assert_eq!(decisions[1], Decision::Refused(Refusal::OutOfStock { shortages }));
    }

    #[test]
    fn a_refused_order_takes_none_of_its_items() {
        let mut shelf = Shelf::from([(code("a"), sku(1, 5, 1)), (code("b"), sku(2, 0, 1))]);
        decide(&mut shelf, Limits::default(), &[("x", &[("a", 5), ("b", 1)])]);
        assert_eq!(shelf[&code("a")].available, 5);
    }

    #[test]
    fn what_is_not_sold_now_is_not_held_however_many_there_are() {
        let upcoming = Sale { from: Some(NOW + chrono::TimeDelta::seconds(1)), ..Sale::default() };
        let mut shelf = Shelf::from([
            (code("a"), ShelfSku { sale: upcoming, ..sku(1, 5, 1) }),
            (code("b"), ShelfSku { sale: Sale { is_active: false, ..Sale::default() }, ..sku(2, 5, 1) }),
            (code("c"), sku(3, 5, 1)),
        ]);
        let decisions = decide(&mut shelf, Limits::default(), &[("x", &[("a", 1), ("b", 1), ("c", 1)])]);
        let off = |name, sale_from| NotOnSale { sku: code(name), sale_from };
        let skus = vec![off("a", upcoming.from), off("b", None)];
        assert_eq!(decisions, [Decision::Refused(Refusal::OffSale { skus })]);
        assert_eq!(shelf[&code("c")].available, 5);
    }

    #[test]
    fn a_hoarder_is_refused_within_one_batch_too() {
        let mut shelf = Shelf::from([(code("a"), sku(1, 1_000, 1))]);
        let limits = Limits { max_live_holds: 2, max_units_per_sku: 10 };
        let decisions = decide(
            &mut shelf,
            limits,
            &[("x", &[("a", 8)]), ("x", &[("a", 3)]), ("x", &[("a", 2)]), ("x", &[("a", 1)])],
        );
        assert!(matches!(decisions[1], Decision::Refused(Refusal::TooManyUnits { already_held: 8, .. })));
        assert!(matches!(decisions[2], Decision::Held { .. }));
        assert_eq!(decisions[3], Decision::Refused(Refusal::TooManyHolds { limit: 2 }));
    }

    proptest! {
        #[test]
        fn no_batch_takes_more_than_there_is_and_amounts_are_sums(
            stock in prop::collection::vec(0i32..20, 1..5),
            orders in prop::collection::vec((0u8..4, prop::collection::vec((0usize..5, 1i64..8), 1..4)), 1..60),
        ) {
            let name = |index: usize| format!("s{index}");
            let mut shelf: Shelf = stock.iter().enumerate()
                .map(|(index, units)| (code(&name(index)), sku(index as i64, *units, 7))).collect();
            let owned: Vec<_> = orders.iter().map(|(who, wanted)| {
                let wanted: Vec<_> = wanted.iter()
                    .map(|(index, units)| RequestedItem {
                        sku: code(&name(*index)), quantity: Quantity::parse(*units).unwrap(),
                    }).collect();
                (CustomerId::parse(format!("c{who}")).unwrap(), RequestedItems::parse(wanted).unwrap())
            }).collect();
            let demands: Vec<_> = owned.iter().map(|(customer, items)| Demand { customer, items, expected_amount: None }).collect();
            let decisions = allocate(&demands, &mut shelf, &mut Usage::default(), Limits::default(), NOW);

            let mut taken = vec![0; stock.len()];
            for decision in &decisions {
                if let Decision::Held { items, amount } = decision {
                    prop_assert_eq!(amount.0, items.iter().map(|item| item.amount.0).sum::<i64>());
                    for item in items {
                        taken[item.sku_id.0 as usize] += item.quantity;
                    }
                }
            }
            for (index, units) in stock.iter().enumerate() {
                prop_assert!(taken[index] <= *units);
                prop_assert_eq!(shelf[&code(&name(index))].available, units - taken[index]);
            }
        }
    }
}

//! Who gets stock: one pure decision over a batch of orders, in the order they arrived.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::ids::{CustomerId, SkuCode, SkuId};
use super::items::RequestedItems;
use super::limits::Limits;
use super::money::Won;
use super::refusal::{NotOnSale, PricedItem, Refusal, Shortage};
pub use super::shelf::HeldItem;
use super::shelf::Shelf;
use super::sku::{Sale, SaleState};
use super::waiting::WaitFor;

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
    /// What it is content with if it may wait for what is missing.
    pub wait_for: Option<WaitFor>,
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
    /// Nothing is set aside, and it waits.
    Waiting {
        /// Snapshots of what it waits for.
        items: Vec<HeldItem>,
        amount: Won,
        /// Where it stands in line, and for how many units.
        lines: Vec<(SkuId, i32)>,
        /// When all that it wants is on sale, if that is to come.
        sale_from: Option<DateTime<Utc>>,
    },
    /// Nothing is set aside.
    Refused(Refusal),
}

/// Decides every order of a batch, first come first served: each decision sees what the ones before it took. All
/// items of an order are held or none, unless it is content with some.
pub fn allocate(
    demands: &[Demand<'_>],
    shelf: &mut Shelf,
    usage: &mut Usage,
    limits: Limits,
    now: DateTime<Utc>,
) -> Vec<Decision> {
    demands
        .iter()
        .map(|demand| {
            let decision = decide(demand, shelf, usage, limits, now).unwrap_or_else(Decision::Refused);
            match &decision {
                Decision::Held { items, .. } => {
                    count(demand.customer, items, usage);
                    take(items, shelf);
                }
                Decision::Waiting { items, .. } => count(demand.customer, items, usage),
                Decision::Refused(_) => {}
            }
            decision
        })
        .collect()
}

/// What becomes of one order. Takes nothing.
fn decide(
    demand: &Demand<'_>,
    shelf: &Shelf,
    usage: &Usage,
    limits: Limits,
    now: DateTime<Utc>,
) -> Result<Decision, Refusal> {
    let unknown: Vec<SkuCode> = demand
        .items
        .iter()
        .filter(|item| !shelf.contains_key(&item.sku))
        .map(|item| item.sku.clone())
        .collect();
    if !unknown.is_empty() {
        return Err(Refusal::UnknownSku { skus: unknown });
    }
    let sales: Vec<Sale> = demand.items.iter().map(|item| shelf[&item.sku].sale).collect();
    let is_over = sales.iter().any(|sale| sale.state(now) == SaleState::Off);
    let is_early = sales.iter().any(|sale| sale.state(now) == SaleState::Upcoming);
    if is_over || (is_early && demand.wait_for.is_none()) {
        return Err(Refusal::OffSale { skus: not_on_sale(demand, shelf, now) });
    }
    if usage.live_holds.get(demand.customer).is_some_and(|&live| live >= limits.max_live_holds) {
        return Err(Refusal::TooManyHolds { limit: limits.max_live_holds });
    }
    let (items, amount) = price(demand, shelf, usage, limits)?;
    let is_there = |item: &&HeldItem| {
        let sku = &shelf[&item.sku];
        sku.sale.is_on(now) && item.quantity <= sku.available
    };
    let there: Vec<HeldItem> = items.iter().filter(is_there).cloned().collect();
    if there.len() == items.len() {
        return Ok(Decision::Held { items, amount });
    }
    // What costs nothing is handed over at once or not at all, also where it might be all that is there of any.
    let is_paid_for = match demand.wait_for {
        Some(WaitFor::All) => amount > Won(0),
        Some(WaitFor::Any) => items.iter().all(|item| item.amount > Won(0)),
        None => false,
    };
    match is_paid_for {
        true => {}
        false => return Err(Refusal::OutOfStock { shortages: shortages(&items, shelf) }),
    }
    if demand.wait_for == Some(WaitFor::Any) && !there.is_empty() {
        let amount = Won(there.iter().map(|item| item.amount.0).sum());
        return Ok(Decision::Held { items: there, amount });
    }
    let mut missing = items.iter().filter(|item| !is_there(item)).map(|item| (item.sku_id, item.quantity));
    let lines = match demand.wait_for {
        Some(WaitFor::Any) => missing.collect(),
        _ => missing.next().into_iter().collect(),
    };
    let sale_from = sales.iter().filter(|sale| !sale.is_on(now)).filter_map(|sale| sale.from).max();
    Ok(Decision::Waiting { items, amount, lines, sale_from })
}

/// The items of an order and what they cost, whether they are there or not, or why nobody could have them.
fn price(
    demand: &Demand<'_>,
    shelf: &Shelf,
    usage: &Usage,
    limits: Limits,
) -> Result<(Vec<HeldItem>, Won), Refusal> {
    let mut items = Vec::new();
    let mut amount = Won(0);
    for item in demand.items.iter() {
        let sku = &shelf[&item.sku];
        let quantity = item.quantity.units();
        let requested = quantity.unsigned_abs();
        let limit = sku.max_per_customer.unwrap_or(limits.max_units_per_sku);
        let already_held = usage.units.get(&(demand.customer.clone(), sku.id)).copied().unwrap_or(0);
        if already_held + requested > limit {
            return Err(Refusal::TooManyUnits { sku: item.sku.clone(), limit, requested, already_held });
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
    match demand.expected_amount {
        Some(expected) if expected != amount => Err(Refusal::PriceChanged {
            expected_amount_won: expected,
            amount_won: amount,
            items: items.iter().map(PricedItem::from).collect(),
        }),
        _ => Ok((items, amount)),
    }
}

fn shortages(items: &[HeldItem], shelf: &Shelf) -> Vec<Shortage> {
    let short = items.iter().filter_map(|item| {
        let available = shelf[&item.sku].available;
        let (requested, available) = (item.quantity.unsigned_abs(), available.max(0).unsigned_abs());
        (requested > available).then(|| Shortage { sku: item.sku.clone(), requested, available })
    });
    short.collect()
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

/// Counts an order, on hold or in line, against the limits of its customer.
fn count(customer: &CustomerId, items: &[HeldItem], usage: &mut Usage) {
    *usage.live_holds.entry(customer.clone()).or_default() += 1;
    for item in items {
        *usage.units.entry((customer.clone(), item.sku_id)).or_default() += item.quantity.unsigned_abs();
    }
}

fn take(items: &[HeldItem], shelf: &mut Shelf) {
    for item in items {
        if let Some(sku) = shelf.get_mut(&item.sku) {
            sku.available -= item.quantity;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::items::{Quantity, RequestedItem};
    use crate::domain::money::DiscountRatio;
    use crate::domain::shelf::ShelfSku;
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
            least_waiting: None,
        }
    }

    fn demand<'a>(customer: &'a CustomerId, items: &'a RequestedItems) -> Demand<'a> {
        Demand { customer, items, expected_amount: None, wait_for: None }
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
        let demands: Vec<_> = owned.iter().map(|(customer, items)| demand(customer, items)).collect();
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
    fn who_may_wait_stands_in_the_line_of_what_is_missing() {
        let early = Sale { from: Some(NOW + chrono::TimeDelta::seconds(9)), ..Sale::default() };
        let shelf = Shelf::from([
            (code("a"), sku(1, 5, 10)),
            (code("b"), sku(2, 1, 10)),
            (code("c"), ShelfSku { sale: early, ..sku(3, 9, 10) }),
            (code("free"), sku(4, 0, 0)),
        ]);
        let (customer, usage) = (CustomerId::parse("x").unwrap(), Usage::default());
        let decide = |wanted: &[(&str, i64)], wait_for| {
            let items = items(wanted);
            let demand = Demand { wait_for: Some(wait_for), ..demand(&customer, &items) };
            super::decide(&demand, &shelf, &usage, Limits::default(), NOW)
        };
        let lines = |decision| match decision {
            Ok(Decision::Waiting { lines, sale_from, amount, .. }) => Some((lines, sale_from, amount)),
            _ => None,
        };
        let both = lines(decide(&[("a", 1), ("b", 2)], WaitFor::All)).unwrap();
        assert_eq!(both, (vec![(SkuId(2), 2)], None, Won(30)));
        let all = lines(decide(&[("a", 6), ("b", 2)], WaitFor::Any)).unwrap();
        assert_eq!(all.0, [(SkuId(1), 6), (SkuId(2), 2)]);
        assert_eq!(lines(decide(&[("c", 1)], WaitFor::All)).unwrap().1, early.from);
        // Who takes any takes what there is, and what costs nothing is not waited for.
        let some = decide(&[("a", 1), ("b", 2)], WaitFor::Any);
        assert!(matches!(some, Ok(Decision::Held { amount: Won(10), .. })), "{some:?}");
        assert!(matches!(decide(&[("free", 1)], WaitFor::All), Err(Refusal::OutOfStock { .. })));
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
            let demands: Vec<_> = owned.iter().map(|(customer, items)| demand(customer, items)).collect();
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

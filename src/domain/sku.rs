//! What a shop says of a SKU, how it is replaced and changed, and when it is sold.

use chrono::{DateTime, Datelike as _, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;
use super::ids::{Fingerprint, ProductName, SkuCode};
use super::money::{DiscountRatio, Won};

/// When a SKU is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    /// Whether it is sold at all.
    pub is_active: bool,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Not from this instant on.
    pub until: Option<DateTime<Utc>>,
}

/// An instant as the database keeps it: to the microsecond, in four digits of years.
pub(crate) fn instant(field: &'static str, instant: DateTime<Utc>) -> Result<DateTime<Utc>, Invalid> {
    if (2000..=9999).contains(&instant.year()) {
        Ok(instant.trunc_subsecs(6))
    } else {
        Err(Invalid::new(field, "an instant of the years 2000 to 9999"))
    }
}

impl Default for Sale {
    fn default() -> Self {
        Self { is_active: true, from: None, until: None }
    }
}

/// Where a sale stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaleState {
    On,
    /// It begins later.
    Upcoming,
    /// Its time is over, or the shop has ended it.
    Off,
}

impl Sale {
    pub fn state(self, now: DateTime<Utc>) -> SaleState {
        if !self.is_active || self.until.is_some_and(|until| until <= now) {
            SaleState::Off
        } else if self.from.is_some_and(|from| now < from) {
            SaleState::Upcoming
        } else {
            SaleState::On
        }
    }

    pub fn is_on(self, now: DateTime<Utc>) -> bool {
        self.state(now) == SaleState::On
    }
}

/// What a shop says of a SKU.
#[derive(Debug, Clone, PartialEq)]
pub struct SkuDefinition {
    pub code: SkuCode,
    pub name: ProductName,
    /// The price of one unit.
    pub price: Won,
    /// What is taken off the price.
    pub discount: DiscountRatio,
    /// Its own limit of units per customer.
    pub max_per_customer: Option<i32>,
    pub sale: Sale,
}

impl SkuDefinition {
    /// The number of this definition with so many units: another one whenever a shop that has read both would have read
    /// something else. Units on hold do not count, as nobody replaces them.
    pub fn edition(&self, on_hand: i32) -> i64 {
        let Self { code, name, price, discount, max_per_customer, sale: Sale { is_active, from, until } } =
            self;
        let all = format!(
            "{code}\n{name}\n{}\n{}\n{max_per_customer:?}\n{is_active}\n{from:?}\n{until:?}\n{on_hand}",
            price.0,
            discount.basis_points(),
        );
        let (high, _) = Fingerprint::of(&all).0.as_u64_pair();
        i64::try_from(high >> 1).expect("63 bits fit")
    }
}

/// What a caller names of a definition. Naming nothing where there can be nothing is a name too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SkuChange {
    pub name: Option<ProductName>,
    pub price: Option<Won>,
    pub discount: Option<DiscountRatio>,
    pub max_per_customer: Option<Option<i32>>,
    pub is_active: Option<bool>,
    pub sale_from: Option<Option<DateTime<Utc>>>,
    pub sale_until: Option<Option<DateTime<Utc>>>,
}

impl SkuChange {
    /// A new definition, with the defaults of what is not named.
    pub fn begin(self, code: SkuCode, name: ProductName, price: Won) -> Result<SkuDefinition, Invalid> {
        let (discount, sale) = (DiscountRatio::default(), Sale::default());
        self.apply(SkuDefinition { code, name, price, discount, max_per_customer: None, sale })
    }

    /// The definition with what is named.
    pub fn apply(self, to: SkuDefinition) -> Result<SkuDefinition, Invalid> {
        let sale = Sale {
            is_active: self.is_active.unwrap_or(to.sale.is_active),
            from: self
                .sale_from
                .unwrap_or(to.sale.from)
                .map(|from| instant("sale_from", from))
                .transpose()?,
            until: self
                .sale_until
                .unwrap_or(to.sale.until)
                .map(|until| instant("sale_until", until))
                .transpose()?,
        };
        if sale.from.zip(sale.until).is_some_and(|(from, until)| until <= from) {
            return Err(Invalid::new("sale_until", "later than sale_from"));
        }
        Ok(SkuDefinition {
            code: to.code,
            name: self.name.unwrap_or(to.name),
            price: self.price.unwrap_or(to.price),
            discount: self.discount.unwrap_or(to.discount),
            max_per_customer: self.max_per_customer.unwrap_or(to.max_per_customer),
            sale,
        })
    }

    /// What a replacement by this change would silently lose of a definition: what stands there and is not named.
    pub fn would_lose(&self, of: &SkuDefinition) -> Vec<&'static str> {
        let lost = [
            ("discount_ratio", self.discount.is_none() && of.discount != DiscountRatio::default()),
            ("max_per_customer", self.max_per_customer.is_none() && of.max_per_customer.is_some()),
            ("is_active", self.is_active.is_none() && !of.sale.is_active),
            ("sale_from", self.sale_from.is_none() && of.sale.from.is_some()),
            ("sale_until", self.sale_until.is_none() && of.sale.until.is_some()),
        ];
        lost.into_iter().filter(|(_, is_lost)| *is_lost).map(|(field, _)| field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_sale_is_on_from_its_beginning_until_just_before_its_end() {
        let sale = Sale { is_active: true, from: Some(at(10)), until: Some(at(20)) };
        let states = [9, 10, 19, 20].map(|second| sale.state(at(second)));
        assert_eq!(states, [SaleState::Upcoming, SaleState::On, SaleState::On, SaleState::Off]);
        assert_eq!(Sale { is_active: false, ..sale }.state(at(5)), SaleState::Off);
        assert!(Sale::default().is_on(at(0)));
    }

    #[test]
    fn a_change_changes_what_it_names_and_every_change_is_another_edition() {
        let code = SkuCode::parse("mug").unwrap();
        let name = ProductName::parse("Mug").unwrap();
        let mug = SkuChange::default().begin(code, name, Won(5)).unwrap();
        let changes = [
            SkuChange { name: Some(ProductName::parse("Cup").unwrap()), ..SkuChange::default() },
            SkuChange { price: Some(Won(6)), ..SkuChange::default() },
            SkuChange { discount: Some(DiscountRatio::parse(0.5).unwrap()), ..SkuChange::default() },
            SkuChange { max_per_customer: Some(Some(2)), ..SkuChange::default() },
            SkuChange { is_active: Some(false), ..SkuChange::default() },
            SkuChange { sale_from: Some(Some(at(1))), ..SkuChange::default() },
            SkuChange { sale_until: Some(Some(at(2))), ..SkuChange::default() },
        ];
        let mut editions = vec![mug.edition(1), mug.edition(2)];
        for change in changes {
            let changed = change.clone().apply(mug.clone()).unwrap();
            assert_ne!(changed, mug, "{change:?}");
            let empty = SkuChange::default();
            assert_eq!(empty.clone().apply(changed.clone()).unwrap(), changed);
            // Name and price are always named.
            let has_default = change.name.is_none() && change.price.is_none();
            assert_eq!(empty.would_lose(&changed).len(), usize::from(has_default), "{change:?}");
            assert!(change.would_lose(&changed).is_empty());
            editions.push(changed.edition(1));
        }
        let count = editions.len();
        editions.sort_unstable();
        editions.dedup();
        assert_eq!(editions.len(), count);
        let ends_first =
            SkuChange { sale_from: Some(Some(at(2))), sale_until: Some(Some(at(2))), ..SkuChange::default() };
        assert!(ends_first.apply(mug).is_err());
    }
}

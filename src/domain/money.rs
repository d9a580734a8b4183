//! Korean won, whole and checked.

use serde::{Deserialize, Serialize};

use super::Invalid;

/// An amount in whole won; no sum of it may wrap. Read from outside it is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Won(pub i64);

impl TryFrom<i64> for Won {
    type Error = Invalid;

    fn try_from(won: i64) -> Result<Self, Invalid> {
        Self::parse("amount_won", won)
    }
}

/// The highest price or order amount taken: far above any order, far below where `i64` or a double loses a won.
pub const MAX_AMOUNT: Won = Won(1_000_000_000_000);

impl Won {
    /// A price or amount from outside: 0 to [`MAX_AMOUNT`].
    pub fn parse(field: &'static str, won: i64) -> Result<Self, Invalid> {
        if (0..=MAX_AMOUNT.0).contains(&won) {
            Ok(Self(won))
        } else {
            Err(Invalid::new(field, "a whole number of won from 0 to 1,000,000,000,000"))
        }
    }

    /// The sum, unless it is above [`MAX_AMOUNT`].
    pub fn plus(self, other: Won) -> Option<Won> {
        self.0.checked_add(other.0).map(Won).filter(|sum| *sum <= MAX_AMOUNT)
    }

    /// The price of `units`, unless it is above [`MAX_AMOUNT`].
    pub fn times(self, units: i32) -> Option<Won> {
        self.0.checked_mul(i64::from(units)).map(Won).filter(|product| *product <= MAX_AMOUNT)
    }
}

/// A part of the price that is not asked for, in ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiscountRatio(i32);

impl DiscountRatio {
    /// Takes a ratio such as `0.15`; finer than 0.0001 is refused.
    pub fn parse(ratio: f64) -> Result<Self, Invalid> {
        let basis_points = (ratio * 10_000.0).round();
        if !(0.0..=1.0).contains(&ratio) || (basis_points / 10_000.0 - ratio).abs() > 1e-9 {
            return Err(Invalid::new("discount_ratio", "a number from 0 to 1 with at most 4 decimals"));
        }
        Ok(Self(basis_points as i32))
    }

    /// A ratio as PostgreSQL stores it, whose CHECK keeps it between 0 and 10,000.
    pub fn from_basis_points(basis_points: i32) -> Self {
        Self(basis_points)
    }

    pub fn basis_points(self) -> i32 {
        self.0
    }

    /// The ratio as callers read it, 0 to 1.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// What is asked for one unit. The discount is rounded down to whole won, as no fraction of a won exists.
    pub fn apply(self, price: Won) -> Won {
        Won(price.0 - price.0 * i64::from(self.0) / 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_discount_is_rounded_down_to_whole_won() {
        assert_eq!(DiscountRatio::parse(0.15).unwrap().apply(Won(999)), Won(850));
        assert_eq!(DiscountRatio::parse(1.0).unwrap().apply(Won(999)), Won(0));
        assert!(DiscountRatio::parse(0.00001).is_err());
        assert!(DiscountRatio::parse(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn a_discounted_price_is_never_negative_and_never_above_the_price(
            price in 0..=MAX_AMOUNT.0, basis_points in 0..=10_000i32,
        ) {
            let asked = DiscountRatio::from_basis_points(basis_points).apply(Won(price));
            prop_assert!(Won(0) <= asked && asked <= Won(price));
        }
    }
}

//! The decision of a payment: what it is made of, and whether it may be taken.

use chrono::{DateTime, Utc};

use super::money::Won;
use super::order::{OrderState, OrderStep};
use super::refusal::DeclineReason;

/// What a payment is made of. None is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// From the customer's wallet.
    pub wallet: Won,
    /// From the customer's points.
    pub points: Won,
    pub card: Won,
}

impl Parts {
    /// Their sum, unless it is more than any order costs.
    pub fn total(self) -> Option<Won> {
        self.wallet.plus(self.points)?.plus(self.card)
    }

    /// What is left without `other`, which is a part of it.
    pub fn minus(self, other: Parts) -> Parts {
        let minus = |one: Won, other: Won| Won(one.0 - other.0);
        Parts {
            wallet: minus(self.wallet, other.wallet),
            points: minus(self.points, other.points),
            card: minus(self.card, other.card),
        }
    }

    /// Whether anything is taken from the customer's purses.
    pub fn uses_purses(self) -> bool {
        self.wallet > Won(0) || self.points > Won(0)
    }

    /// The name of the way to pay.
    pub fn method(self) -> &'static str {
        match (self.wallet > Won(0), self.points > Won(0), self.card > Won(0)) {
            (false, false, false) => "none",
            (true, false, false) => "wallet",
            (false, true, false) => "points",
            (false, false, true) => "card",
            _ => "mixed",
        }
    }
}

/// What a customer can spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purses {
    pub wallet: Won,
    pub points: Won,
}

impl Purses {
    /// What is left after a payment, or why it cannot be made.
    pub fn spend(self, parts: Parts) -> Result<Purses, DeclineReason> {
        if self.wallet < parts.wallet {
            return Err(DeclineReason::InsufficientBalance);
        }
        if self.points < parts.points {
            return Err(DeclineReason::InsufficientPoints);
        }
        Ok(Self { wallet: Won(self.wallet.0 - parts.wallet.0), points: Won(self.points.0 - parts.points.0) })
    }
}

/// An attempt to pay an order.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// What it is made of.
    pub parts: Parts,
    /// What the buyer was told the order costs.
    pub expected_amount: Option<Won>,
    /// What the customer can spend.
    pub purses: Purses,
    /// Whether its payment key pays for something else, or may.
    pub is_key_in_use: bool,
}

/// What becomes of an attempt to pay an order.
#[derive(Debug, PartialEq, Eq)]
pub enum PaymentDecision {
    /// Take everything and hand the units over.
    Capture {
        /// What the customer can spend afterwards.
        left: Purses,
        step: OrderStep,
    },
    /// Set aside what comes from the purses, fence the hold and ask the gateway for the card's part.
    Ask {
        /// What the customer can spend meanwhile.
        left: Purses,
        step: OrderStep,
    },
    /// Leave the hold as it is until its time.
    Decline(DeclineReason),
    /// The hold's time is up: release it now, take nothing.
    Expire,
    /// Another payment of the order is being asked for: what becomes of this one is not decided yet.
    Wait,
    /// The order is paid or can no longer be: nothing to do.
    Ignore,
}

/// Decides one payment, and moves the order on for those behind it; money is taken or asked for only while the hold is ours,
/// and only the order's amount.
pub fn decide(order: &mut OrderState, amount: Won, offer: Offer, now: DateTime<Utc>) -> PaymentDecision {
    // PostgreSQL writes this step down, with all else that is due.
    if order.go(|order| order.expire(now)).is_some() {
        return PaymentDecision::Expire;
    }
    match order {
        OrderState::Held(_) => match accept(amount, offer) {
            Ok(left) => take(order, left, offer.parts, now),
            Err(reason) => PaymentDecision::Decline(reason),
        },
        OrderState::Paying(_) => PaymentDecision::Wait,
        _ => PaymentDecision::Ignore,
    }
}

/// What is left of the purses, or why the offer is not taken.
fn accept(amount: Won, offer: Offer) -> Result<Purses, DeclineReason> {
    if offer.expected_amount.is_some_and(|expected| expected != amount) {
        return Err(DeclineReason::PriceChanged);
    }
    if offer.parts.total() != Some(amount) {
        return Err(DeclineReason::AmountDiffers);
    }
    let left = offer.purses.spend(offer.parts)?;
    let asks = offer.parts.card > Won(0);
    if asks && offer.is_key_in_use { Err(DeclineReason::KeyInUse) } else { Ok(left) }
}

fn take(order: &mut OrderState, left: Purses, parts: Parts, now: DateTime<Utc>) -> PaymentDecision {
    let decision = if parts.card > Won(0) {
        order.go(|order| order.ask(now)).map(|step| PaymentDecision::Ask { left, step })
    } else {
        order.go(|order| order.pay(now)).map(|step| PaymentDecision::Capture { left, step })
    };
    decision.unwrap_or(PaymentDecision::Ignore)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Hold;
    use proptest::prelude::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    proptest! {
        #[test]
        fn money_is_taken_only_in_time_only_the_right_amount_and_only_from_enough(
            expires in 1i64..100, now in 0i64..100, amount in 0i64..9,
            wallet in 0i64..4, points in 0i64..4, card in 0i64..4, has in 0i64..4, has_points in 0i64..4,
            is_key_in_use: bool,
        ) {
            let hold = Hold { began_at: at(0), expires_at: at(expires), extension_count: 0 };
            let parts = Parts { wallet: Won(wallet), points: Won(points), card: Won(card) };
            let purses = Purses { wallet: Won(has), points: Won(has_points) };
            let offer = Offer { parts, expected_amount: None, purses, is_key_in_use };
            match decide(&mut OrderState::Held(hold), Won(amount), offer, at(now)) {
                PaymentDecision::Capture { left, .. } | PaymentDecision::Ask { left, .. } => {
                    prop_assert!(card == 0 || !is_key_in_use);
                    prop_assert!(now < expires);
                    prop_assert_eq!(wallet + points + card, amount);
                    prop_assert_eq!((left.wallet.0 + wallet, left.points.0 + points), (has, has_points));
                    prop_assert!(left.wallet.0 >= 0 && left.points.0 >= 0);
                }
                PaymentDecision::Decline(DeclineReason::AmountDiffers) => {
                    prop_assert!(now < expires && wallet + points + card != amount);
                }
                PaymentDecision::Decline(DeclineReason::KeyInUse) => {
                    prop_assert!(now < expires && card > 0 && is_key_in_use);
                }
                PaymentDecision::Decline(_) => prop_assert!(now < expires && (has < wallet || has_points < points)),
                PaymentDecision::Expire => prop_assert!(now >= expires),
                PaymentDecision::Wait | PaymentDecision::Ignore => {
                    prop_assert!(false, "a held order is never left alone")
                }
            }
        }

        #[test]
        fn a_card_is_asked_only_if_it_pays_a_part(card in 0i64..2) {
            let hold = Hold { began_at: at(0), expires_at: at(9), extension_count: 0 };
            let parts = Parts { card: Won(card), ..Parts::default() };
            let offer = Offer { parts, expected_amount: None, purses: Purses::default(), is_key_in_use: false };
            let mut order = OrderState::Held(hold);
            let decision = decide(&mut order, Won(card), offer, at(1));
            let asks = matches!(decision, PaymentDecision::Ask { .. });
            prop_assert_eq!(asks, card > 0);
            prop_assert_eq!(asks, order == OrderState::Paying(hold));
        }
    }
}

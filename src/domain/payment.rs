//! The decision of a wallet payment.

use chrono::{DateTime, Utc};

use super::money::Won;
use super::order::OrderState;
use super::refusal::DeclineReason;

/// The most a wallet may hold.
pub const MAX_WALLET_BALANCE: Won = Won(100_000);

/// What becomes of an attempt to pay an order from a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentDecision {
    /// Take the amount and hand the units over.
    Capture {
        /// The wallet's balance afterwards.
        balance_after: Won,
    },
    /// Leave the hold as it is until its time.
    Decline(DeclineReason),
    /// The hold's time is up: release it now, take nothing.
    Expire,
    /// The order is paid or can no longer be: nothing to do.
    Ignore,
}

/// Decides one payment; money is taken only while the hold is ours.
pub fn decide(order: OrderState, amount: Won, balance: Won, now: DateTime<Utc>) -> PaymentDecision {
    match order {
        OrderState::Held(hold) if hold.is_overdue(now) => PaymentDecision::Expire,
        OrderState::Held(_) if balance < amount => {
            PaymentDecision::Decline(DeclineReason::InsufficientBalance)
        }
        OrderState::Held(_) => PaymentDecision::Capture { balance_after: Won(balance.0 - amount.0) },
        _ => PaymentDecision::Ignore,
    }
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
        fn money_is_taken_only_in_time_and_only_from_enough_balance(
            expires in 1i64..100, now in 0i64..100, amount in 0i64..100_000, balance in 0i64..100_000,
        ) {
            let hold = Hold { began_at: at(0), expires_at: at(expires), extension_count: 0 };
            match decide(OrderState::Held(hold), Won(amount), Won(balance), at(now)) {
                PaymentDecision::Capture { balance_after } => {
                    prop_assert!(now < expires);
                    prop_assert_eq!(balance_after.0 + amount, balance);
                    prop_assert!(balance_after.0 >= 0);
                }
                PaymentDecision::Decline(_) => prop_assert!(now < expires && balance < amount),
                PaymentDecision::Expire => prop_assert!(now >= expires),
                PaymentDecision::Ignore => prop_assert!(false, "a held order is never ignored"),
            }
        }
    }
}

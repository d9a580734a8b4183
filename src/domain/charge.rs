//! The decisions of a charge: how much a purse takes, when a gateway may be asked for the money, and until when.

use chrono::TimeDelta;

use super::card::Wanted;
use super::money::Won;

/// For so long after the buyer brought the key the gateway is asked for the money again. Its own windows are over by
/// then; who has not finished until then has gone.
const PATIENCE_SECONDS: i64 = 1_200;

/// How full a purse is. All of it counts against the purse's limit, so that what is on its way always fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fill {
    /// What can be spent.
    pub balance: Won,
    /// What payments have set aside; a decline gives it back.
    pub reserved: Won,
    /// What charges may bring whose gateway is being asked.
    pub incoming: Won,
}

impl Fill {
    /// Whether the purse takes this much more.
    pub fn takes(self, amount: Won, limit: Won) -> bool {
        let sum = [self.reserved, self.incoming, amount];
        sum.into_iter().try_fold(self.balance, Won::plus).is_some_and(|full| full <= limit)
    }
}

/// Why a gateway is not asked for the money of an open charge, which stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAsked {
    /// The buyer agreed to another amount.
    AmountDiffers,
    /// The wallet would hold too much.
    Full,
    /// The payment key pays for something else.
    KeyInUse,
}

/// Whether the gateway may be asked for `amount`, of which the buyer says it is `offered`.
pub fn may_ask(amount: Won, offered: Won, fill: Fill, limit: Won, key_in_use: bool) -> Result<(), NotAsked> {
    if offered != amount {
        Err(NotAsked::AmountDiffers)
    } else if !fill.takes(amount, limit) {
        Err(NotAsked::Full)
    } else if key_in_use {
        Err(NotAsked::KeyInUse)
    } else {
        Ok(())
    }
}

/// Whether a charge waits for its money that has been open for so long. It always does: its room in the wallet is kept.
pub fn wanted(open_for: TimeDelta) -> Wanted {
    if open_for < TimeDelta::seconds(PATIENCE_SECONDS) { Wanted::InTime } else { Wanted::Overdue }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::card::{CardDecision, CardFinding, CardStatus, Case, next};
    use crate::domain::refusal::DeclineReason;
    use proptest::prelude::*;

    const FINDINGS: [fn() -> CardFinding; 6] = [
        || CardFinding::Captured,
        || CardFinding::NotTaken { code: "NO".to_owned() },
        || CardFinding::Pending,
        || CardFinding::NotFound,
        || CardFinding::Returned,
        || CardFinding::Unsure,
    ];

    proptest! {
        #[test]
        fn the_gateway_is_asked_only_for_the_right_amount_and_only_if_it_fits_for_sure(
            balance in 0i64..60, reserved in 0i64..60, incoming in 0i64..60, amount in 1i64..60,
            offered in 1i64..60, same in any::<bool>(), in_use in any::<bool>(),
        ) {
            let offered = if same { amount } else { offered };
            let fill = Fill { balance: Won(balance), reserved: Won(reserved), incoming: Won(incoming) };
            let full = balance + reserved + incoming + amount > 100;
            let expected = if offered != amount {
                Err(NotAsked::AmountDiffers)
            } else if full {
                Err(NotAsked::Full)
            } else if in_use {
                Err(NotAsked::KeyInUse)
            } else {
                Ok(())
            };
            prop_assert_eq!(may_ask(Won(amount), Won(offered), fill, Won(100), in_use), expected);
        }

        #[test]
        fn only_a_definite_answer_ends_a_charge(
            status in 0usize..4, answer in 0usize..6, not_found_count in 0i32..6, age in 0i64..60, open_for in 0i64..2_400,
        ) {
            let status = [CardStatus::Requesting, CardStatus::Unknown, CardStatus::Returning, CardStatus::Declined][status];
            let wanted = wanted(TimeDelta::seconds(open_for));
            let finding = FINDINGS[answer]();
            let case = Case {
                status, wanted, not_found_count, age: TimeDelta::seconds(age), quiet: TimeDelta::seconds(15),
            };
            let is_asked = matches!(status, CardStatus::Requesting | CardStatus::Unknown);
            match next(case, &finding) {
                CardDecision::Pay => prop_assert!(is_asked && finding == CardFinding::Captured),
                CardDecision::Late => prop_assert!(status == CardStatus::Declined && finding == CardFinding::Captured),
                CardDecision::Returned => prop_assert!(status == CardStatus::Returning && finding == CardFinding::Returned),
                CardDecision::Decline(DeclineReason::NotApproved, _) => {
                    prop_assert!(is_asked && finding == CardFinding::Pending && open_for >= PATIENCE_SECONDS);
                }
                CardDecision::Decline(DeclineReason::UnknownPayment, _) => {
                    prop_assert!(is_asked && finding == CardFinding::NotFound && not_found_count >= 3 && age >= 15);
                }
                CardDecision::Decline(..) => {
                    let definite = matches!(finding, CardFinding::NotTaken { .. } | CardFinding::Returned);
                    prop_assert!(is_asked && definite);
                }
                CardDecision::LookAgain | CardDecision::Leave => prop_assert_eq!(status, CardStatus::Declined),
                CardDecision::AskAgain(_) => prop_assert!(status != CardStatus::Declined),
            }
        }
    }
}

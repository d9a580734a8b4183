//! The decisions of a card payment: what the gateway's answers come to, and when to ask again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::order::OrderState;
use super::refusal::DeclineReason;

/// Inquiries that must have found nothing before a payment counts as never made.
pub const NOT_FOUND_ENOUGH: i32 = 3;

/// Money is asked about again after an eighth of the time it has been open for, but no sooner than this …
const SOONEST_MS: u64 = 500;
/// … and no later than this: a buyer does not wait long for a gateway that stumbles, and a gateway that is down for
/// hours is not flooded.
const LATEST_MS: u64 = 64_000;

/// How long to wait before the gateway is asked about a payment again.
pub fn ask_again_after(open_for: TimeDelta) -> Duration {
    let eighth_ms = u64::try_from(open_for.num_milliseconds() / 8).unwrap_or(0);
    Duration::from_millis(eighth_ms.clamp(SOONEST_MS, LATEST_MS))
}

/// Where a card payment stands whose gateway may have to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardStatus {
    /// The gateway is to be asked for the money.
    Requesting,
    /// It was asked, and may or may not have taken it.
    Unknown,
    /// It took money for an order that is no longer ours, which is to go back.
    Returning,
    /// It counts as declined; but somebody says otherwise.
    Declined,
}

/// What the gateway's answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardFinding {
    /// The whole amount was taken.
    Captured,
    /// Nothing was taken, and nothing will be.
    NotTaken { code: String },
    /// Nothing is taken yet, and may still be.
    Pending,
    /// The gateway knows no such payment, or knows it as another order's or of another amount.
    NotFound,
    /// The whole amount went back.
    Returned,
    /// It did not say.
    Unsure,
}

/// What a person found out at the gateway's own console about a payment that the gateway gives no definite answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stated {
    /// The whole amount was taken.
    Captured,
    /// Nothing was taken, and nothing will be.
    NotTaken,
    /// The whole amount went back.
    Returned,
}

impl Stated {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::NotTaken => "not_taken",
            Self::Returned => "returned",
        }
    }

    /// The answer that it stands for.
    pub fn finding(self) -> CardFinding {
        match self {
            Self::Captured => CardFinding::Captured,
            Self::NotTaken => CardFinding::NotTaken { code: "STATED_BY_OPERATOR".to_owned() },
            Self::Returned => CardFinding::Returned,
        }
    }

    /// Whether it ends a payment that stands so. What the gateway itself declined no person makes paid.
    pub fn ends(self, status: CardStatus) -> bool {
        match status {
            CardStatus::Requesting | CardStatus::Unknown => true,
            CardStatus::Returning => self == Self::Returned,
            CardStatus::Declined => false,
        }
    }
}

/// What to do about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardDecision {
    /// The order is paid: its units are sold.
    Pay,
    /// Money came for an order that is no longer waiting for it: hold again and pay, or give it back.
    Late,
    /// Nothing was taken: the hold goes on until its time.
    Decline(DeclineReason, Option<String>),
    /// The money is back where it came from.
    Returned,
    /// Not at its end: ask again later.
    AskAgain(CardStatus),
    /// It is as it was, as far as anybody could say: ask some more times.
    LookAgain,
    /// It is as it was.
    Leave,
}

/// Whether what a payment is for waits for its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It does, and the gateway may be asked for the money again.
    InTime,
    /// It does, but its time is up: the money is not asked for any more.
    Overdue,
    /// It does not any more.
    No,
}

impl Wanted {
    /// Whether an order waits for its money. It is asked for only while the hold is ours.
    pub fn by_order(order: &OrderState, now: DateTime<Utc>) -> Self {
        match order {
            OrderState::Paying(hold) if hold.is_overdue(now) => Self::Overdue,
            OrderState::Paying(_) => Self::InTime,
            _ => Self::No,
        }
    }
}

/// What is known of a payment when it is decided on.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub status: CardStatus,
    /// Whether its money is waited for.
    pub wanted: Wanted,
    /// Inquiries that found nothing, this one included.
    pub not_found_count: i32,
    /// How long before this inquiry the gateway was last asked for the money.
    pub age: TimeDelta,
    /// After this time no call is on its way any more.
    pub quiet: TimeDelta,
}

/// Decides the next step. Unknown is not failed: only a definite answer ends a payment.
pub fn next(case: Case, finding: &CardFinding) -> CardDecision {
    let is_quiet = case.age >= case.quiet;
    match (case.status, finding) {
        (CardStatus::Returning, CardFinding::Returned) => CardDecision::Returned,
        (CardStatus::Returning, _) => CardDecision::AskAgain(CardStatus::Returning),
        (CardStatus::Declined, CardFinding::Captured) => CardDecision::Late,
        // Somebody says otherwise, and money is not given up for one call that failed.
        (CardStatus::Declined, CardFinding::Unsure) => CardDecision::LookAgain,
        (CardStatus::Declined, _) => CardDecision::Leave,
        (_, CardFinding::Captured) if case.wanted == Wanted::No => CardDecision::Late,
        (_, CardFinding::Captured) => CardDecision::Pay,
        // Whoever gave it back was not us; nothing is left of it.
        (_, CardFinding::Returned) => CardDecision::Decline(DeclineReason::GivenBack, None),
        (_, CardFinding::NotTaken { code }) => {
            CardDecision::Decline(DeclineReason::CardDeclined, Some(code.clone()))
        }
        (CardStatus::Unknown, CardFinding::Pending) if case.wanted == Wanted::InTime => {
            CardDecision::AskAgain(CardStatus::Requesting)
        }
        // Only a confirm of ours takes the money, and none is on its way any more.
        (CardStatus::Unknown, CardFinding::Pending) if is_quiet => {
            CardDecision::Decline(DeclineReason::NotApproved, None)
        }
        (CardStatus::Unknown, CardFinding::NotFound)
            if case.not_found_count >= NOT_FOUND_ENOUGH && is_quiet =>
        {
            CardDecision::Decline(DeclineReason::UnknownPayment, None)
        }
        _ => CardDecision::AskAgain(CardStatus::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Hold;
    use proptest::prelude::*;

    const QUIET_SECONDS: i64 = 15;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    #[test]
    fn an_order_waits_for_its_money_while_it_is_paying() {
        let hold = Hold { began_at: at(0), expires_at: at(50), extension_count: 0 };
        assert_eq!(Wanted::by_order(&OrderState::Paying(hold), at(49)), Wanted::InTime);
        assert_eq!(Wanted::by_order(&OrderState::Paying(hold), at(50)), Wanted::Overdue);
        assert_eq!(Wanted::by_order(&OrderState::Held(hold), at(1)), Wanted::No);
    }

    fn finding(number: u8) -> CardFinding {
        match number {
            0 => CardFinding::Captured,
            1 => CardFinding::NotTaken { code: "NO".to_owned() },
            2 => CardFinding::Pending,
            3 => CardFinding::NotFound,
            4 => CardFinding::Returned,
            _ => CardFinding::Unsure,
        }
    }

    proptest! {
        #[test]
        fn what_a_person_states_ends_the_payment_that_it_may_end(
            status in 0usize..4, stated in 0usize..3, wanted in 0usize..3, age in 0i64..60,
        ) {
            let status = [CardStatus::Requesting, CardStatus::Unknown, CardStatus::Returning, CardStatus::Declined][status];
            let stated = [Stated::Captured, Stated::NotTaken, Stated::Returned][stated];
            let wanted = [Wanted::InTime, Wanted::Overdue, Wanted::No][wanted];
            let (age, quiet) = (TimeDelta::seconds(age), TimeDelta::seconds(QUIET_SECONDS));
            let case = Case { status, wanted, not_found_count: 0, age, quiet };
            let is_end =
                matches!(next(case, &stated.finding()), CardDecision::Pay | CardDecision::Late | CardDecision::Decline(..) | CardDecision::Returned);
            prop_assert!(is_end || !stated.ends(status));
        }

        #[test]
        fn only_a_definite_answer_ends_a_payment(
            status in 0usize..4, answer in 0u8..6, wanted in 0usize..3, not_found in 0i32..6, age in 0i64..60,
        ) {
            let status = [CardStatus::Requesting, CardStatus::Unknown, CardStatus::Returning, CardStatus::Declined][status];
            let wanted = [Wanted::InTime, Wanted::Overdue, Wanted::No][wanted];
            let paying = wanted != Wanted::No;
            let (age_then, quiet) = (TimeDelta::seconds(age), TimeDelta::seconds(QUIET_SECONDS));
            let case = Case { status, wanted, not_found_count: not_found, age: age_then, quiet };
            let finding = finding(answer);
            match next(case, &finding) {
                CardDecision::Pay => prop_assert!(finding == CardFinding::Captured && paying),
                CardDecision::Late => {
                    prop_assert!(finding == CardFinding::Captured && (!paying || status == CardStatus::Declined));
                }
                CardDecision::LookAgain => prop_assert!(status == CardStatus::Declined && finding == CardFinding::Unsure),
                CardDecision::Leave => prop_assert!(status == CardStatus::Declined && finding != CardFinding::Captured),
                CardDecision::Returned => prop_assert!(finding == CardFinding::Returned && status == CardStatus::Returning),
                CardDecision::Decline(DeclineReason::UnknownPayment, _) => {
                    prop_assert!(finding == CardFinding::NotFound && not_found >= 3 && age >= QUIET_SECONDS);
                }
                CardDecision::Decline(DeclineReason::NotApproved, _) => prop_assert!(
                    finding == CardFinding::Pending && age >= QUIET_SECONDS && wanted != Wanted::InTime
                ),
                CardDecision::Decline(..) => {
                    let definite = matches!(finding, CardFinding::NotTaken { .. } | CardFinding::Returned);
                    prop_assert!(definite && !matches!(status, CardStatus::Returning | CardStatus::Declined));
                }
                CardDecision::AskAgain(again) => prop_assert_eq!(again == CardStatus::Returning, status == CardStatus::Returning),
            }
        }
    }
}

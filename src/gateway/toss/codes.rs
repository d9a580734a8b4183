//! Which of Toss Payments' codes settle a call. Every other code, known or new, is unknown: the payment is asked for.
//!
//! In particular `ALREADY_PROCESSED_PAYMENT` and `ALREADY_CANCELED_PAYMENT` are unknown, because what was done before may
//! be exactly what was asked for now; `PROVIDER_ERROR`, `CARD_PROCESSING_ERROR` and the `FAILED_…` codes, because the
//! card company may have done it; `NOT_FOUND_…`, because one inquiry too early is no proof; and `UNAUTHORIZED_KEY`,
//! because a mistake in our settings is no decline of the buyer's card.

/// The card company, the bank or a limit said no to this payment, and nothing was taken.
const DECLINES: &[&str] = &[
    "BELOW_MINIMUM_AMOUNT",
    "EXCEED_MAX_AMOUNT",
    "EXCEED_MAX_AUTH_COUNT",
    "EXCEED_MAX_CARD_INSTALLMENT_PLAN",
    "EXCEED_MAX_DAILY_PAYMENT_COUNT",
    "EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT",
    "EXCEED_MAX_ONE_DAY_AMOUNT",
    "EXCEED_MAX_ONE_DAY_WITHDRAW_AMOUNT",
    "EXCEED_MAX_ONE_TIME_WITHDRAW_AMOUNT",
    "EXCEED_MAX_PAYMENT_AMOUNT",
    "FDS_ERROR",
    "INVALID_ACCOUNT_INFO_RE_REGISTER",
    "INVALID_CARD_EXPIRATION",
    "INVALID_CARD_IDENTITY",
    "INVALID_CARD_INSTALLMENT_PLAN",
    "INVALID_CARD_LOST_OR_STOLEN",
    "INVALID_CARD_NUMBER",
    "INVALID_CARD_PASSWORD",
    "INVALID_PASSWORD",
    "INVALID_REJECT_CARD",
    "INVALID_STOPPED_CARD",
    "NOT_ALLOWED_POINT_USE",
    "NOT_AVAILABLE_BANK",
    "NOT_AVAILABLE_PAYMENT",
    "NOT_REGISTERED_CARD_COMPANY",
    "NOT_SUPPORTED_CARD_TYPE",
    "NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT",
    "NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN",
    "PAY_PROCESS_ABORTED",
    "PAY_PROCESS_CANCELED",
    "REJECT_ACCOUNT_PAYMENT",
    "REJECT_CARD_COMPANY",
    "REJECT_CARD_PAYMENT",
    "REJECT_TOSSPAY_INVALID_ACCOUNT",
    "RESTRICTED_TRANSFER_ACCOUNT",
];

/// The cancel that was asked for cannot be done, and nothing was given back by this call.
const REFUSALS: &[&str] = &[
    "EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT",
    "EXCEED_CANCEL_LIMIT",
    "EXCEED_MAX_REFUND_DUE",
    "FORBIDDEN_BANK_REFUND_REQUEST",
    "INVALID_BANK",
    "INVALID_REFUND_ACCOUNT_INFO",
    "INVALID_REFUND_ACCOUNT_NUMBER",
    "NOT_ALLOWED_PARTIAL_REFUND",
    "NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT",
    "NOT_AVAILABLE_BANK",
    "NOT_CANCELABLE_AMOUNT",
    "NOT_CANCELABLE_PAYMENT",
    "NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER",
    "REFUND_REJECTED",
];

/// The gateway knows no such payment.
pub(super) const NOT_FOUND: &str = "NOT_FOUND_PAYMENT";

/// Whether a confirm was declined for good.
pub(super) fn is_decline(code: &str) -> bool {
    DECLINES.binary_search(&code).is_ok()
}

/// Whether a cancel was refused for good.
pub(super) fn is_refusal(code: &str) -> bool {
    REFUSALS.binary_search(&code).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSETTLED: &[&str] = &[
        "ALREADY_CANCELED_PAYMENT",
        "ALREADY_PROCESSED_PAYMENT",
        "ALREADY_REFUND_PAYMENT",
        "CARD_PROCESSING_ERROR",
        "COMMON_ERROR",
        "FAILED_INTERNAL_SYSTEM_PROCESSING",
        "FAILED_METHOD_HANDLING_CANCEL",
        "FAILED_PARTIAL_REFUND",
        "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING",
        "FAILED_REFUND_PROCESS",
        "FORBIDDEN_CONSECUTIVE_REQUEST",
        "FORBIDDEN_REQUEST",
        "IDEMPOTENT_REQUEST_PROCESSING",
        "INVALID_API_KEY",
        "INVALID_IDEMPOTENCY_KEY",
        "INVALID_REQUEST",
        "NOT_FOUND_PAYMENT",
        "NOT_FOUND_PAYMENT_SESSION",
        "NOT_MATCHES_REFUNDABLE_AMOUNT",
        "PROVIDER_ERROR",
        "UNAUTHORIZED_KEY",
        "UNKNOWN_PAYMENT_ERROR",
        "A_CODE_OF_NEXT_YEAR",
    ];

    #[test]
    fn the_tables_are_in_order_as_the_search_needs_them() {
        assert!(DECLINES.is_sorted() && REFUSALS.is_sorted());
        assert!(DECLINES.iter().all(|code| is_decline(code)));
        assert!(REFUSALS.iter().all(|code| is_refusal(code)));
    }

    #[test]
    fn codes_that_settle_nothing_are_in_no_table() {
        for code in UNSETTLED {
            assert!(!is_decline(code) && !is_refusal(code), "{code}");
        }
    }
}

//! States and codes in plain words.

use crate::domain::order::OrderState;
use crate::store::payments::PaymentStatus;
use crate::store::refunds::RefundStatus;

pub(super) fn order(state: &OrderState) -> &'static str {
    match state {
        OrderState::Accepted => "It waits in its queue for a worker.",
        OrderState::Waiting(_) => "Others have what it wants; it waits in line until its turn comes.",
        OrderState::Held(_) => "Its stock is set aside until the deadline; it is not paid yet.",
        OrderState::Paying(_) => {
            "Its stock is set aside and a gateway is asked for the money; it does not expire meanwhile."
        }
        OrderState::Paid { .. } => "It is paid in full and its units are sold.",
        OrderState::PartlyRefunded => "It is paid, and a part of it was given back.",
        OrderState::Refunded => "It was paid, and all of it was given back.",
        OrderState::Refused(_) => "Its stock was never set aside.",
        OrderState::Expired { .. } => "It was not paid in time; its units are available again.",
        OrderState::Cancelled { .. } => "It was called off; its units are available again.",
    }
}

pub(super) fn payment(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Requesting => "The gateway is being asked for the money.",
        PaymentStatus::Unknown => {
            "The gateway may have taken the money or not; it is asked again until its answer is definite."
        }
        PaymentStatus::Captured => "The money is ours.",
        PaymentStatus::Declined => "Nothing was taken.",
        PaymentStatus::Returning => {
            "Money came for an order that no longer waited for it; the gateway is asked to give it back."
        }
        PaymentStatus::Returned => "Money that came too late is back where it came from.",
    }
}

pub(super) fn refund(status: RefundStatus) -> &'static str {
    match status {
        RefundStatus::Requesting => "The gateway is asked to give the card's part back until it has.",
        RefundStatus::Done => "The money is back where it came from.",
        RefundStatus::Refused => "The gateway does not give the money back; nothing was given back.",
    }
}

/// What a fact of the event log says.
pub(super) fn fact(kind: &str, paid_after_all: bool) -> &str {
    match kind {
        "order.waiting" => "The order waits in line for units",
        "order.held" => "The order's stock is on hold",
        "order.refused" => "The order was refused",
        "order.expired" => "The hold expired and its units were released",
        "order.cancelled" => "The order was cancelled and its units were released",
        "order.extended" => "The hold has more time",
        "order.extension_refused" => "The hold got no more time",
        "order.paid" => "The order is paid and its units are sold",
        "payment.declined" => "The payment was declined",
        "payment.late" if paid_after_all => "Late money came and paid the order after all",
        "payment.late" => "Money came too late and goes back",
        "payment.returned" => "Late money is back where it came from",
        "order.refunded" => "Money was given back",
        "refund.refused" => "The refund was refused",
        other => other,
    }
}

/// Why something was refused or declined.
pub(super) fn reason(code: &str) -> &str {
    match code {
        "out_of_stock" => "too few units were available",
        "unknown_sku" => "the catalogue knows no such SKU",
        "too_many_holds" => "the customer has as many live holds as one may have",
        "too_many_units" => "the customer would have more units of one SKU than one may",
        "off_sale" => "it is not sold now",
        "price_changed" => "it cost something else than the buyer was told",
        "wait_ended" => "its turn did not come in time",
        "amount_too_large" => "it costs more than an order may",
        "expired" => "the hold's time was up",
        "not_held" => "the order was not on hold",
        "too_often" => "it was extended as often as a hold may be",
        "too_long" => "a hold does not last that long by extension",
        "insufficient_balance" => "the wallet has too little",
        "insufficient_points" => "the customer has too few points",
        "amount_differs" => "it was of another amount than the order",
        "key_in_use" => "the payment key pays for something else",
        "card_declined" => "the card company or the gateway said no",
        "unknown_payment" => "the gateway knows no such payment",
        "not_approved" => "the buyer did not finish in time",
        "given_back" => "the money was given back at the gateway, not by us",
        "not_paid" => "the order is not paid, or all of it was given back",
        "too_many" => "more was asked for than is left of the order",
        "gateway" => "the gateway does not give the money back",
        other => other,
    }
}

/// What an operator did.
pub(super) fn action(name: &str) -> &str {
    match name {
        "order.cancel" => "asked for the order to be cancelled",
        "order.refund" => "asked for money to be given back",
        "payment.resolve" => "had the gateway asked now",
        "payment.settle" => "said what came of a payment",
        "dead_letter.replay" => "replayed a dead letter",
        "dead_letter.discard" => "discarded a dead letter",
        "dead_letter.restore" => "restored a dead letter",
        "dead_letter.edit" => "sent a changed copy of a dead letter",
        other => other,
    }
}

/// Whole won, as people write them.
pub(super) fn won(amount: i64) -> String {
    let digits = amount.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{grouped} won", if amount < 0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn won_are_grouped_by_thousands() {
        assert_eq!(
            (won(0), won(1_000), won(-1_234_567)),
            ("0 won".into(), "1,000 won".into(), "-1,234,567 won".into())
        );
    }
}

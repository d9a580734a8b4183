//! From an HTTP answer to what it means. Pure: what was asked and what was answered decide.

use super::codes;
use super::wire::{WireError, WireEvent, WirePayment, WireTransaction};
use crate::domain::gateway::{GatewayOrderId, GatewayPayment, GatewayStatus, PaymentKey};
use crate::domain::money::Won;
use crate::gateway::port::{
    Cancel, CancelAnswer, Confirm, ConfirmAnswer, FindAnswer, ListAnswer, WebhookEvent, Why,
};
use crate::peers::client::HttpAnswer;
use crate::peers::webhook::WebhookError;

/// Characters of a gateway's message that are kept.
const LONGEST_MESSAGE: usize = 300;
/// Characters of a code or of an event's kind.
const LONGEST_CODE: usize = 100;

/// What an answer is before anybody decides by it.
enum Heard {
    Payment(GatewayPayment),
    Error { code: String, message: String },
    Nothing,
}

fn is_code(text: &str) -> bool {
    (1..=LONGEST_CODE).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// A message for people, without what could harm a log or a page's layout.
fn tidy(message: &str) -> String {
    message.chars().filter(|character| !character.is_control()).take(LONGEST_MESSAGE).collect()
}

fn hear(answer: &HttpAnswer) -> Heard {
    if answer.status == 200 {
        let payment = serde_json::from_slice::<WirePayment>(&answer.body).ok().and_then(WirePayment::read);
        return payment.map_or(Heard::Nothing, Heard::Payment);
    }
    match serde_json::from_slice::<WireError>(&answer.body) {
        Ok(WireError { code, message }) if is_code(&code) => Heard::Error { code, message: tidy(&message) },
        _ => Heard::Nothing,
    }
}

/// What a confirm came to. Approved only if the payment, the order, the amount and the status are those asked for.
pub(super) fn confirmed(ask: &Confirm, answer: &HttpAnswer) -> ConfirmAnswer {
    let status = answer.status;
    match hear(answer) {
        Heard::Payment(payment) => match confirm_differs(ask, &payment) {
            None => ConfirmAnswer::Approved(payment),
            Some(field) => ConfirmAnswer::Unknown { why: Why::Mismatch { field } },
        },
        Heard::Error { code, message } if codes::is_decline(&code) => {
            ConfirmAnswer::Declined { code, message }
        }
        Heard::Error { code, .. } => ConfirmAnswer::Unknown { why: Why::Code { status, code } },
        Heard::Nothing => ConfirmAnswer::Unknown { why: Why::Unreadable { status } },
    }
}

fn confirm_differs(ask: &Confirm, payment: &GatewayPayment) -> Option<&'static str> {
    if payment.key != ask.payment {
        Some("payment")
    } else if payment.order != ask.order {
        Some("order")
    } else if payment.total != ask.amount {
        Some("amount")
    } else if payment.status != GatewayStatus::Done {
        Some("status")
    } else {
        None
    }
}

/// What an inquiry came to; `differs` names what shows that it is about another payment.
pub(super) fn found(
    answer: &HttpAnswer,
    differs: impl FnOnce(&GatewayPayment) -> Option<&'static str>,
) -> FindAnswer {
    let status = answer.status;
    match hear(answer) {
        Heard::Payment(payment) => match differs(&payment) {
            None => FindAnswer::Found(payment),
            Some(field) => FindAnswer::Unknown { why: Why::Mismatch { field } },
        },
        Heard::Error { code, .. } if code == codes::NOT_FOUND => FindAnswer::NotFound,
        Heard::Error { code, .. } => FindAnswer::Unknown { why: Why::Code { status, code } },
        Heard::Nothing => FindAnswer::Unknown { why: Why::Unreadable { status } },
    }
}

/// What a cancel came to. Cancelled only if the last movement is a cancel of the amount asked for.
pub(super) fn cancelled(ask: &Cancel, answer: &HttpAnswer) -> CancelAnswer {
    let status = answer.status;
    match hear(answer) {
        Heard::Payment(payment) => cancel_of(ask, payment),
        Heard::Error { code, message } if codes::is_refusal(&code) => CancelAnswer::Refused { code, message },
        Heard::Error { code, .. } => CancelAnswer::Unknown { why: Why::Code { status, code } },
        Heard::Nothing => CancelAnswer::Unknown { why: Why::Unreadable { status } },
    }
}

fn cancel_of(ask: &Cancel, payment: GatewayPayment) -> CancelAnswer {
    let mismatch = |field| CancelAnswer::Unknown { why: Why::Mismatch { field } };
    if payment.key != ask.payment {
        return mismatch("payment");
    }
    let whole = payment.balance == Won(0);
    let agrees = match payment.status {
        GatewayStatus::Cancelled => whole,
        GatewayStatus::PartlyCancelled => !whole && ask.amount.is_some(),
        _ => false,
    };
    if !agrees {
        return mismatch("status");
    }
    let last = payment.last_transaction.as_deref();
    let cancel =
        payment.cancels.iter().rev().find(|cancel| Some(cancel.transaction.as_str()) == last).cloned();
    match cancel {
        None => mismatch("cancel"),
        Some(cancel) if ask.amount.is_some_and(|amount| amount != cancel.amount) => mismatch("amount"),
        Some(cancel) => CancelAnswer::Cancelled { payment, cancel },
    }
}

/// A page of transactions; a full one is followed by another.
pub(super) fn listed(answer: &HttpAnswer, limit: u16) -> ListAnswer {
    let status = answer.status;
    if status == 200
        && let Ok(page) = serde_json::from_slice::<Vec<WireTransaction>>(&answer.body)
    {
        let full = page.len() >= usize::from(limit);
        let next = page.last().filter(|_| full).map(|last| last.key().to_owned());
        let ours = page.into_iter().filter(WireTransaction::is_in_won);
        if let Some(transactions) = ours.map(WireTransaction::read).collect() {
            return ListAnswer::Page { transactions, next };
        }
    }
    match hear(answer) {
        Heard::Error { code, .. } => ListAnswer::Unknown { why: Why::Code { status, code } },
        _ => ListAnswer::Unknown { why: Why::Unreadable { status } },
    }
}

/// What a webhook tells. Names that are none are left out: the event is stored all the same.
pub(super) fn event(id: String, signed: bool, body: &[u8]) -> Result<WebhookEvent, WebhookError> {
    let event: WireEvent = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
    let (payment, order) = event.data.map_or((None, None), |data| (data.payment_key, data.order_id));
    Ok(WebhookEvent {
        id,
        kind: event.event_type.filter(|kind| is_code(kind)).unwrap_or_else(|| "unknown".to_owned()),
        payment: payment.and_then(|key| PaymentKey::parse(key).ok()),
        order: order.or(event.order_id).and_then(|order| GatewayOrderId::parse(order).ok()),
        signed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::gateway::CallKey;
    use hyper::HeaderMap;
    use hyper::body::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn ask() -> Confirm {
        Confirm {
            payment: PaymentKey::parse("key").unwrap(),
            order: GatewayOrderId::parse("order-1").unwrap(),
            amount: Won(1_000),
            call_key: CallKey::parse("call").unwrap(),
        }
    }

    fn answer(status: u16, body: &Value) -> HttpAnswer {
        HttpAnswer { status, headers: HeaderMap::new(), body: Bytes::from(body.to_string()) }
    }

    fn payment() -> Value {
        json!({
            "paymentKey": "key", "orderId": "order-1", "status": "DONE", "currency": "KRW",
            "totalAmount": 1000, "balanceAmount": 1000,
        })
    }

    #[test]
    fn only_the_payment_that_was_asked_for_is_approved() {
        assert!(matches!(confirmed(&ask(), &answer(200, &payment())), ConfirmAnswer::Approved(_)));
        for (field, value) in [
            ("paymentKey", json!("other")),
            ("orderId", json!("order-2")),
            ("status", json!("WAITING_FOR_DEPOSIT")),
            ("status", json!("A_STATUS_OF_NEXT_YEAR")),
            ("currency", json!("USD")),
            ("totalAmount", json!(1001)),
            ("totalAmount", json!(1000.5)),
            ("totalAmount", json!(-1000)),
            ("balanceAmount", json!(1001)),
            ("totalAmount", Value::Null),
        ] {
            let mut other = payment();
            other[field] = value;
            let answer = confirmed(&ask(), &answer(200, &other));
            assert!(matches!(answer, ConfirmAnswer::Unknown { .. }), "{field}: {answer:?}");
        }
    }

    #[test]
    fn neither_a_status_nor_a_body_decides_alone() {
        let declined = json!({"code": "REJECT_CARD_PAYMENT", "message": "no"});
        assert!(matches!(confirmed(&ask(), &answer(400, &declined)), ConfirmAnswer::Declined { .. }));
        assert!(matches!(confirmed(&ask(), &answer(500, &declined)), ConfirmAnswer::Declined { .. }));
        assert!(matches!(confirmed(&ask(), &answer(200, &declined)), ConfirmAnswer::Unknown { .. }));
        assert!(matches!(confirmed(&ask(), &answer(500, &payment())), ConfirmAnswer::Unknown { .. }));
        assert!(matches!(confirmed(&ask(), &answer(404, &json!({}))), ConfirmAnswer::Unknown { .. }));
    }

    proptest! {
        #[test]
        fn nothing_but_the_exact_payment_is_ever_approved(
            status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let answer = confirmed(&ask(), &HttpAnswer { status, headers: HeaderMap::new(), body: Bytes::from(body) });
            let is_unknown = matches!(answer, ConfirmAnswer::Unknown { .. });
            prop_assert!(is_unknown);
        }

        #[test]
        fn an_error_declines_only_by_the_table(status in 201u16..600, code in "[A-Z_]{1,30}") {
            let body = json!({"code": code, "message": "m"});
            let declined = matches!(confirmed(&ask(), &answer(status, &body)), ConfirmAnswer::Declined { .. });
            prop_assert_eq!(declined, codes::is_decline(&code));
        }
    }
}

//! What came of a command: the one place that turns an order's state into the answer its caller waits for.

use axum::http::StatusCode;
use serde_json::Value;
use sqlx::PgConnection;

use super::error::ApiError;
use super::views::OrderView;
use crate::domain::allocation::HeldItem;
use crate::domain::ids::{CommandId, Fingerprint, OrderId};
use crate::domain::order::OrderState;
use crate::store::events::answers::{self, Answer, Answered};
use crate::store::orders::{self, OrderRow};

/// What a caller waits for.
#[derive(Debug, Clone, Copy)]
pub enum Awaited {
    /// The order is held or refused.
    Decision(Fingerprint),
    /// The order is called off.
    Cancellation,
    /// The hold has more time.
    Extension(CommandId),
    /// The order is paid.
    Payment(CommandId),
    /// The money is back.
    Refund(CommandId),
}

impl Awaited {
    /// The command whose answer is awaited, where the order's state alone does not tell.
    fn command(self) -> Option<CommandId> {
        match self {
            Self::Extension(command) | Self::Payment(command) | Self::Refund(command) => Some(command),
            Self::Decision(_) | Self::Cancellation => None,
        }
    }
}

/// The path of an order.
pub fn location(order: OrderId) -> String {
    format!("/v1/orders/{order}")
}

/// An order with its items.
pub async fn view(conn: &mut PgConnection, order: &OrderRow) -> sqlx::Result<OrderView> {
    let items = orders::items_of(conn, &[order.id]).await?;
    let items: Vec<HeldItem> = items.into_iter().map(|(_, item)| item).collect();
    Ok(OrderView::decided(order, &items))
}

/// What came of a command: the order with its status code, or why it came to nothing.
pub type Outcome = Result<(StatusCode, OrderView), ApiError>;

/// What came of a command, or `None` while that is open.
pub async fn look(
    conn: &mut PgConnection,
    order: OrderId,
    awaited: Awaited,
) -> sqlx::Result<Option<Outcome>> {
    let command = awaited.command();
    let Some(Answered { row, answers }) = answers::find(conn, order, command.as_slice()).await? else {
        return Ok(None);
    };
    let answer = command.and_then(|command| answers.get(&command));
    Ok(match judge(&row, answer, awaited) {
        Judgement::Undecided => None,
        Judgement::Yes(status) => Some(Ok((status, view(conn, &row).await?))),
        Judgement::No(error) => Some(Err(error)),
    })
}

enum Judgement {
    Undecided,
    Yes(StatusCode),
    No(ApiError),
}

fn judge(row: &OrderRow, answer: Option<&Answer>, awaited: Awaited) -> Judgement {
    let order = row.id;
    let wrong_state = || Judgement::No(ApiError::WrongState { order, status: row.state.name() });
    let reason = |data: &Value| data["reason"].as_str().unwrap_or_default().to_owned();
    match (awaited, &row.state, answer.map(|answer| (answer.kind.as_str(), &answer.data))) {
        (Awaited::Decision(fingerprint), ..) if fingerprint != row.fingerprint => {
            Judgement::No(ApiError::KeyReused)
        }
        (Awaited::Decision(_), OrderState::Refused(refusal), _) => {
            Judgement::No(ApiError::Refused(order, refusal.clone()))
        }
        (Awaited::Decision(_), ..) => Judgement::Yes(StatusCode::CREATED),

        (Awaited::Cancellation, OrderState::Held(_) | OrderState::Paying(_), _) => Judgement::Undecided,
        (Awaited::Cancellation, OrderState::Cancelled { .. }, _) => Judgement::Yes(StatusCode::OK),
        (Awaited::Cancellation, ..) => wrong_state(),

        (Awaited::Extension(_), _, Some(("order.extended", _))) => Judgement::Yes(StatusCode::OK),
        (Awaited::Extension(_), _, Some((_, data))) if data["reason"] == "expired" => {
            Judgement::No(ApiError::Expired(order))
        }
        (Awaited::Extension(_), _, Some((_, data))) if data["reason"] == "not_held" => wrong_state(),
        (Awaited::Extension(_), _, Some((_, data))) => {
            Judgement::No(ApiError::ExtensionRefused(reason(data)))
        }
        (Awaited::Extension(_), _, None) => Judgement::Undecided,

        (
            Awaited::Payment(_),
            OrderState::Paid { .. } | OrderState::PartlyRefunded | OrderState::Refunded,
            Some(("order.paid", _)),
        )
        | (Awaited::Payment(_), OrderState::Paid { .. }, _) => Judgement::Yes(StatusCode::OK),
        (Awaited::Payment(_), OrderState::Expired { .. }, _) => Judgement::No(ApiError::Expired(order)),
        (Awaited::Payment(_), _, Some(("payment.declined", data))) if data["reason"] == "amount_differs" => {
            Judgement::No(ApiError::Unprocessable("amount_won is not the order's amount".to_owned()))
        }
        (Awaited::Payment(_), _, Some(("payment.declined", data))) => {
            Judgement::No(ApiError::Declined { order, reason: reason(data) })
        }
        (Awaited::Payment(_), OrderState::Held(_) | OrderState::Paying(_), _) => Judgement::Undecided,
        (Awaited::Payment(_), ..) => wrong_state(),

        (Awaited::Refund(_), _, Some(("order.refunded", _))) => Judgement::Yes(StatusCode::OK),
        (Awaited::Refund(_), _, Some((_, data))) if data["reason"] == "not_paid" => wrong_state(),
        (Awaited::Refund(_), _, Some((_, data))) => Judgement::No(ApiError::RefundRefused(reason(data))),
        (Awaited::Refund(_), _, None) => Judgement::Undecided,
    }
}

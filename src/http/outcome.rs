//! What came of a command: the one place that turns an order's state into the answer its caller waits for.

use axum::http::StatusCode;
use serde_json::Value;
use sqlx::PgConnection;
use tokio::sync::OnceCell;

use super::app::App;
use super::error::ApiError;
use super::looks::Answers;
use super::views::OrderView;
use super::watch::Subscription;
use crate::domain::allocation::HeldItem;
use crate::domain::ids::{CommandId, Fingerprint, OrderId};
use crate::domain::order::OrderState;
use crate::store::events::answers::{self, AnsweredOrder, AnsweringFact};
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
    pub fn command(self) -> Option<CommandId> {
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

/// An order with its items, which its customer may give back for so many days.
pub async fn view(conn: &mut PgConnection, order: &OrderRow, return_days: u16) -> sqlx::Result<OrderView> {
    let view = OrderView::decided(order, &items_of(conn, order.id).await?);
    Ok(view.returnable_for(return_days, order))
}

async fn items_of(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Vec<HeldItem>> {
    let items = orders::items_of(conn, &[order]).await?;
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// What came of a command: the order with its status code, or why it came to nothing.
pub type CommandOutcome = Result<(StatusCode, OrderView), ApiError>;

/// What came of a command, or `None` while that is open. The look is shared with others who wait for the order.
pub async fn find(
    app: &App,
    subscription: &mut Subscription,
    order: OrderId,
    awaited: Awaited,
) -> Result<Option<(StatusCode, OrderView)>, ApiError> {
    let looking = |commands: Vec<CommandId>| {
        let app = app.clone();
        async move { app.read(async |conn| look_for_all(conn, order, commands, awaited).await).await }
    };
    let answers = subscription.answers(looking).await?;
    let Some(found) = &answers.order else { return Ok(None) };
    let status = match found.judge(awaited) {
        Judgement::Undecided => return Ok(None),
        Judgement::No(error) => return Err(error),
        Judgement::Yes(status) => status,
    };
    // Whoever looked may have waited for something else, which is not decided yet.
    let items = answers.items.get_or_try_init(|| app.read(async |conn| items_of(conn, order).await)).await?;
    let view = OrderView::decided(&found.row, items).returnable_for(app.return_days, &found.row);
    Ok(Some((status, view)))
}

/// An order and what came of these commands, with its items if `awaited` is decided.
async fn look_for_all(
    conn: &mut PgConnection,
    order: OrderId,
    commands: Vec<CommandId>,
    awaited: Awaited,
) -> sqlx::Result<Answers> {
    let found = answers::find(conn, order, &commands).await?;
    let items = OnceCell::new();
    if let Some(found) = &found
        && let Judgement::Yes(_) = found.judge(awaited)
    {
        items.set(items_of(conn, order).await?).expect("nobody else knows of it yet");
    }
    Ok(Answers { commands, order: found, items })
}

impl AnsweredOrder {
    fn judge(&self, awaited: Awaited) -> Judgement {
        let answer = awaited.command().and_then(|command| self.answers.get(&command));
        judge(&self.row, answer, awaited)
    }
}

enum Judgement {
    Undecided,
    Yes(StatusCode),
    No(ApiError),
}

fn judge(row: &OrderRow, answer: Option<&AnsweringFact>, awaited: Awaited) -> Judgement {
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
        (Awaited::Decision(_), OrderState::Waiting(_), _) => Judgement::Yes(StatusCode::ACCEPTED),
        (Awaited::Decision(_), ..) => Judgement::Yes(StatusCode::CREATED),

        (Awaited::Cancellation, OrderState::Waiting(_) | OrderState::Held(_) | OrderState::Paying(_), _) => {
            Judgement::Undecided
        }
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
        (Awaited::Payment(_), _, Some(("payment.declined", data))) if data["reason"] == "price_changed" => {
            Judgement::No(ApiError::PriceChanged { order, amount: row.amount })
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

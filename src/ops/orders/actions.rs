//! What operators do to orders. Each action publishes the command that the API publishes, too, and the workers decide.
//!
//! Each writes down what was asked for and by whom; commit that, then publish the messages it returns. Nothing happens that
//! is not on record: a broker that does not answer may have taken the command all the same. A row may tell of a command
//! that never arrived; whoever gave it was told so, and gives it again, which is harmless, as the commands are idempotent.

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::OrderError;
use crate::broker::envelope::Outgoing;
use crate::clock;
use crate::domain::card::Stated;
use crate::domain::ids::{CommandId, CustomerId, IdempotencyKey, OrderId};
use crate::domain::order::OrderState;
use crate::domain::reason::Reason;
use crate::domain::refund::Asked;
use crate::message::{CancelOrder, Command, RefundOrder, ResolvePayment, ResolveRefund, Version};
use crate::ops::rights::Actor;
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};
use crate::store::orders::history::Attempt;
use crate::store::orders::{self, OrderRow};
use crate::store::payments::PaymentStatus;
use crate::store::refunds;

/// Has an order called off. Only a hold can be; one that is being paid is, should its payment be declined.
pub async fn cancel(
    tx: &mut PgConnection,
    actor: &Actor,
    order: OrderId,
    reason: &Reason,
) -> Result<Vec<Outgoing>, OrderError> {
    let row = orders::find(tx, order).await?.ok_or(OrderError::NotFound)?;
    if !row.state.can_be_cancelled() {
        return Err(OrderError::WrongState { order, status: row.state.name() });
    }
    let command_id = CommandId::fresh();
    let after = json!({"asked_for": "order.cancel", "command_id": command_id});
    write_down(tx, actor, Act::OrderCancel, &row, after, reason).await?;
    let command = CancelOrder { version: Version, command_id, order_id: order };
    Ok(vec![message(&command)])
}

/// The refund that this key of this operator asks for; the same key asks for one refund.
pub async fn refund_id(
    conn: &mut PgConnection,
    order: OrderId,
    key: &IdempotencyKey,
) -> Result<CommandId, OrderError> {
    let row = orders::find(conn, order).await?.ok_or(OrderError::NotFound)?;
    let customer = CustomerId::parse(row.customer_id)?;
    Ok(CommandId::derive(&format!("operator's refund {order}"), &customer, key))
}

/// Has money given back for units of a paid order.
pub async fn refund(
    tx: &mut PgConnection,
    actor: &Actor,
    order: OrderId,
    refund: (CommandId, Asked),
    reason: &Reason,
) -> Result<Vec<Outgoing>, OrderError> {
    let row = orders::find(tx, order).await?.ok_or(OrderError::NotFound)?;
    if !matches!(row.state, OrderState::Paid { .. } | OrderState::PartlyRefunded) {
        return Err(OrderError::WrongState { order, status: row.state.name() });
    }
    let (command_id, asked) = refund;
    let after = json!({"asked_for": "order.refund", "refund_id": command_id, "refund": asked});
    write_down(tx, actor, Act::OrderRefund, &row, after, reason).await?;
    let reason = reason.of_refund();
    let command = RefundOrder { version: Version, command_id, order_id: order, asked, reason };
    Ok(vec![message(&command)])
}

/// Has the gateway asked now about everything of an order that is not settled, and once more about card payments that count
/// as declined: an operator may know better. Returns the payments and refunds that are asked about; with none of them
/// nothing is done.
pub async fn resolve(
    tx: &mut PgConnection,
    actor: &Actor,
    order: OrderId,
    reason: &Reason,
) -> Result<(Vec<Uuid>, Vec<Outgoing>), OrderError> {
    let row = orders::find(tx, order).await?.ok_or(OrderError::NotFound)?;
    let mut payments = orders::history::payments_of(tx, order).await?;
    payments.retain(is_worth_asking);
    let refunds = refunds::open_of_order(tx, order).await?;
    let asked: Vec<Uuid> =
        payments.iter().map(|payment| payment.id).chain(refunds.iter().map(|refund| refund.0)).collect();
    if asked.is_empty() {
        return Ok((asked, vec![]));
    }
    let after = json!({"asked_for": "payment.resolve", "payments": standings(&payments), "refunds": refunds});
    write_down(tx, actor, Act::PaymentResolve, &row, after, reason).await?;
    // A hint hurries the message that goes on asking, and ends without an answer itself.
    let (version, order_id) = (Version, order);
    let payments =
        payments.iter().map(|payment| message(&ResolvePayment::hint(CommandId(payment.id), order_id)));
    let refunds = refunds.iter().map(|id| message(&ResolveRefund { version, refund_id: *id, order_id }));
    Ok((asked, payments.chain(refunds).collect()))
}

/// Says what came of a payment that the gateway gives no definite answer to, as an operator has found out elsewhere. The
/// worker that decides on the gateway's answers decides on this one in the same way.
pub async fn settle(
    tx: &mut PgConnection,
    actor: &Actor,
    order: OrderId,
    (payment_id, stated): (CommandId, Stated),
    reason: &Reason,
) -> Result<Vec<Outgoing>, OrderError> {
    let row = orders::find(tx, order).await?.ok_or(OrderError::NotFound)?;
    let payments = orders::history::payments_of(tx, order).await?;
    let payment = payments.iter().find(|payment| payment.id == payment_id.0);
    let payment = payment.ok_or(OrderError::NoSuchPayment)?;
    if payment.status.by_card().is_none_or(|status| !stated.ends(status)) {
        return Err(OrderError::Settled(payment.status.name()));
    }
    let after = json!({
        "asked_for": "payment.settle", "payment_id": payment_id, "payment_status": payment.status.name(), "stated": stated,
    });
    write_down(tx, actor, Act::PaymentSettle, &row, after, reason).await?;
    let command = ResolvePayment { stated: Some(stated), ..ResolvePayment::hint(payment_id, order) };
    Ok(vec![message(&command)])
}

fn is_worth_asking(payment: &Attempt) -> bool {
    payment.status.is_open() || (payment.status == PaymentStatus::Declined && payment.payment_key.is_some())
}

fn standings(payments: &[Attempt]) -> Vec<Value> {
    payments.iter().map(|payment| json!({"id": payment.id, "status": payment.status.name()})).collect()
}

async fn write_down(
    tx: &mut PgConnection,
    actor: &Actor,
    act: Act,
    order: &OrderRow,
    after: Value,
    reason: &Reason,
) -> sqlx::Result<()> {
    let before = json!({
        "status": order.state.name(),
        "amount_won": order.amount,
        "refunded_won": order.refunded,
        "expires_at": order.expires_at,
    });
    let action = NewAction {
        actor: &actor.name,
        act,
        subject: operators::actions::subject("order", order.id.uuid()),
        before: Some(before),
        after: Some(after),
        reason: Some(reason.as_str()),
    };
    operators::actions::append(tx, &[action]).await
}

fn message(command: &impl Command) -> Outgoing {
    Outgoing::command(command, clock::now(), None)
}

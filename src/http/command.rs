//! From a request to a command in the broker's keeping, and on to its outcome if the caller waits for it.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use metrics::counter;
use tokio::time::timeout;
use tracing::Span;

use super::LIMIT;
use super::app::App;
use super::error::ApiError;
use super::outcome::{self, Awaited, CommandOutcome, location};
use super::patience::Patience;
use super::views::OrderView;
use super::visit::Stay;
use crate::broker::envelope::Outgoing;
use crate::clock;
use crate::domain::ids::OrderId;
use crate::message::Command;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Gives a command to the broker. Answers 202 once that has confirmed it, or the outcome if the caller waits and it
/// comes in time.
pub async fn give<C: Command>(
    app: &App,
    command: C,
    order: OrderId,
    stay: Option<Stay>,
    awaited: Awaited,
    trace: Option<&str>,
) -> Result<Response, ApiError> {
    let patience = stay.as_ref().map(|stay| stay.patience);
    let at = [(header::LOCATION, location(order))];
    let answer = match decide(app, order, stay, awaited, publish(app, &command, trace)).await? {
        Some(Ok((status, view))) => (status, at, Json(view)).into_response(),
        Some(Err(refused)) => refused.into_response(),
        None => (StatusCode::ACCEPTED, at, Json(OrderView::accepted(order))).into_response(),
    };
    Ok(applied(answer, patience))
}

/// What came of a command within the caller's patience, good or bad; `None` if the broker has it and no more is known.
/// `giving` ends once the command is in the broker's keeping; it is not begun if its answer is known already.
pub async fn decide(
    app: &App,
    order: OrderId,
    stay: Option<Stay>,
    awaited: Awaited,
    giving: impl Future<Output = Result<(), ApiError>>,
) -> Result<Option<CommandOutcome>, ApiError> {
    Span::current().record("order_id", tracing::field::display(order));
    if stay.is_none() {
        giving.await?;
        return Ok(None);
    }
    let mut calls = app.watch.subscribe(order).awaiting(awaited.command());
    let mut patience = Patience::new(app, stay);
    // A repeated request finds its answer at once. With the database away there is none yet, but the command
    // itself needs only the broker.
    if let Some(known) = patience.look(outcome::find(app, &mut calls, order, awaited)).await {
        return Ok(Some(known));
    }
    giving.await?;
    while patience.again(Some(&mut calls)).await {
        if let Some(found) = patience.look(outcome::find(app, &mut calls, order, awaited)).await {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Gives a command to the broker, in time or not at all.
pub async fn publish<C: Command>(app: &App, command: &C, trace: Option<&str>) -> Result<(), ApiError> {
    let message = Outgoing::command(command, clock::now(), trace);
    match timeout(LIMIT, app.publisher.publish(message)).await {
        Ok(Ok(())) => {
            counter!("holdfast_commands_accepted_total", "queue" => C::QUEUE.name()).increment(1);
            Ok(())
        }
        Ok(Err(error)) => Err(refused::<C>(error.label(), error.into())),
        Err(_) => Err(refused::<C>("too_slow", ApiError::BrokerUnavailable)),
    }
}

/// Counts a command that the broker did not take.
fn refused<C: Command>(reason: &'static str, error: ApiError) -> ApiError {
    counter!("holdfast_commands_refused_total", "queue" => C::QUEUE.name(), "reason" => reason).increment(1);
    error
}

/// Gives messages to the broker, in time or not at all.
pub async fn publish_all(app: &App, messages: Vec<Outgoing>) -> Result<(), ApiError> {
    match timeout(LIMIT, app.publisher.publish_all(messages)).await {
        Ok(published) => Ok(published?),
        Err(_) => Err(ApiError::BrokerUnavailable),
    }
}

/// Says that the caller's wish to wait was heard, if there was one.
pub fn applied(mut response: Response, patience: Option<Duration>) -> Response {
    if let Some(patience) = patience {
        let value = format!("wait={}", patience.as_secs());
        let value = value.parse().expect("digits are a header value");
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    }
    response
}

//! From a request to a command in the broker's keeping, and on to its outcome if the caller waits for it.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use metrics::counter;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Span;

use super::app::App;
use super::auth;
use super::error::ApiError;
use super::outcome::{self, Awaited, location};
use super::views::OrderView;
use super::visit::Stay;
use super::watch::Subscription;
use crate::broker::envelope::Outgoing;
use crate::clock;
use crate::domain::ids::OrderId;
use crate::message::Command;

/// A caller hears "unavailable" within three seconds, whatever the broker does.
const PUBLISH_LIMIT: Duration = Duration::from_millis(2_500);
/// A caller who waits looks at the table this often, even if nobody calls.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The look at the deadline itself gets this much.
const LAST_LOOK: Duration = Duration::from_millis(500);
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
    give_by(app, order, stay, awaited, publish(app, &command, trace)).await
}

/// [`give`] for whoever has more to do than to publish: `giving` ends once the command is in the broker's keeping.
pub async fn give_by(
    app: &App,
    order: OrderId,
    stay: Option<Stay>,
    awaited: Awaited,
    giving: impl Future<Output = Result<(), ApiError>>,
) -> Result<Response, ApiError> {
    Span::current().record("order_id", tracing::field::display(order));
    let Some(stay) = stay else {
        giving.await?;
        return Ok(accepted(order));
    };
    let patience = stay.patience;
    let subscription = app.watch.subscribe(order).awaiting(awaited.command());
    let deadline = Instant::now() + patience;
    let mut waiting = Waiting { app, stay, subscription, order, awaited, deadline };
    // A repeated request finds its answer at once. With the database away there is none yet, but the command
    // itself needs only the broker.
    if let Some(answer) = known_answer(waiting.look().await)? {
        return Ok(applied(answer, patience));
    }
    giving.await?;
    loop {
        // A call can be late, or lost with its connection.
        let due = waiting.subscription.due(LOOK_AGAIN, Some(deadline));
        let _ = app.stop.run_until_cancelled(due).await;
        if let Some(answer) = waited(waiting.look().await, patience) {
            return Ok(answer);
        }
        // Nobody waits for a process that leaves: the command is in its queue.
        if Instant::now() >= deadline || app.stop.is_cancelled() {
            return Ok(applied(accepted(order), patience));
        }
    }
}

/// A caller who waits.
struct Waiting<'a> {
    app: &'a App,
    stay: Stay,
    subscription: Subscription,
    order: OrderId,
    awaited: Awaited,
    deadline: Instant,
}

impl Waiting<'_> {
    /// A look at the table for whoever may still be told; it ends soon after the caller's deadline, whatever the database does.
    async fn look(&mut self) -> Result<Option<Response>, ApiError> {
        let limit = self.deadline.max(Instant::now() + LAST_LOOK);
        let looking = async {
            auth::check(self.app, &mut self.stay.visit).await?;
            outcome::find(self.app, &mut self.subscription, self.order, self.awaited).await
        };
        timeout_at(limit, looking).await.unwrap_or(Err(ApiError::DatabaseUnavailable))
    }
}

/// Gives a command to the broker, in time or not at all.
pub async fn publish<C: Command>(app: &App, command: &C, trace: Option<&str>) -> Result<(), ApiError> {
    let message = Outgoing::command(command, clock::now(), trace);
    match timeout(PUBLISH_LIMIT, app.publisher.publish(message)).await {
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
    match timeout(PUBLISH_LIMIT, app.publisher.publish_all(messages)).await {
        Ok(published) => Ok(published?),
        Err(_) => Err(ApiError::BrokerUnavailable),
    }
}

/// What the table says before the command is given; a database that is away says nothing.
fn known_answer(found: Result<Option<Response>, ApiError>) -> Result<Option<Response>, ApiError> {
    match found {
        Err(ApiError::DatabaseUnavailable) => Ok(None),
        found => found,
    }
}

/// The outcome a caller waited for, good or bad; a database that is away is no outcome.
fn waited(found: Result<Option<Response>, ApiError>, patience: Duration) -> Option<Response> {
    match found {
        Ok(answer) => answer.map(|answer| applied(answer, patience)),
        Err(ApiError::DatabaseUnavailable) => None,
        Err(error) => Some(applied(error.into_response(), patience)),
    }
}

fn accepted(order: OrderId) -> Response {
    let at = [(header::LOCATION, location(order))];
    (StatusCode::ACCEPTED, at, Json(OrderView::accepted(order))).into_response()
}

/// Says that the caller's wish to wait was heard.
pub fn applied(mut response: Response, patience: Duration) -> Response {
    let value = format!("wait={}", patience.as_secs());
    response.headers_mut().insert(PREFERENCE_APPLIED, value.parse().expect("digits are a header value"));
    response
}

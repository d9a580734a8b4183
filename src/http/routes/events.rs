//! `/v1/orders/{id}/events`: every change of one order as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use serde_json::json;

use super::orders::OwnOrder;
use crate::domain::ids::OrderId;
use crate::http::app::App;
use crate::http::auth::{self, Buyer};
use crate::http::error::ApiError;
use crate::http::looks::Facts;
use crate::http::places_to_stay::StayPlace;
use crate::http::views::Problem;
use crate::http::visit::Visit;
use crate::http::watch::Subscription;
use crate::store::events::{self, StoredEvent};

/// A quiet stream looks at the table this often all the same.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Follow an order: server-sent events, resumable with `Last-Event-ID`
#[utoipa::path(
    get, path = "/v1/orders/{id}/events", tag = "orders", params(
        ("id" = uuid::Uuid, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "Go on after this event"),
    ),
    responses(
        (status = 200, description = "The changes of the order, those of the past first", content_type = "text/event-stream"),
        (status = 404, description = "No order of this customer", body = Problem),
        (status = 429, description = "Too many streams are open, of this customer or in all", body = Problem),
    )
)]
pub async fn follow(
    State(app): State<App>,
    Buyer(customer): Buyer,
    visit: Visit,
    id: OwnOrder,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let order = id.check(&customer)?;
    let last = headers.get("Last-Event-ID").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let last_id = last.unwrap_or(0);
    let place = app.stays.stream(&visit.whose)?;
    let mut subscription = app.watch.subscribe(order);
    // A database that is away is told with a status code, which is too late once the stream has begun.
    let facts = look(&app, &mut subscription, order, last_id).await?;
    let following = Following { app, visit, _place: place, order, last_id, subscription, facts };
    Ok(Sse::new(stream::unfold(following, Following::next)).keep_alive(KeepAlive::default()))
}

struct Following {
    app: App,
    visit: Visit,
    _place: StayPlace,
    order: OrderId,
    /// The last fact that was told.
    last_id: i64,
    subscription: Subscription,
    /// What the last look found.
    facts: Arc<Facts>,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let stop = self.app.stop.clone();
        loop {
            match auth::check(&self.app, &mut self.visit).await {
                Ok(()) => {
                    if let Some(event) = self.facts.next(self.last_id) {
                        let told = sse(event);
                        self.last_id = event.id;
                        return Some((Ok(told), self));
                    }
                }
                // Nobody knows now whether the caller may be told more.
                Err(ApiError::DatabaseUnavailable) => {}
                Err(_) => return None,
            }
            stop.run_until_cancelled(self.subscription.due(LOOK_AGAIN, None)).await?;
            // An outage in the middle of a stream is waited out; the client has no use for it.
            if let Ok(facts) = look(&self.app, &mut self.subscription, self.order, self.last_id).await {
                self.facts = facts;
            }
        }
    }
}

/// A look at the facts after one, together with all who follow the order.
async fn look(
    app: &App,
    subscription: &mut Subscription,
    order: OrderId,
    last_id: i64,
) -> Result<Arc<Facts>, ApiError> {
    let looking = |after: i64| {
        let app = app.clone();
        async move {
            let events = app.read(async |conn| events::of_order(conn, order, after).await).await?;
            Ok(Facts { after, events })
        }
    };
    subscription.facts(last_id, looking).await
}

fn sse(event: &StoredEvent) -> Event {
    let mut data = json!({"order_id": event.order_id, "occurred_at": event.occurred_at, "data": event.data});
    if let Some(sequence) = event.sequence {
        data["sequence"] = json!(sequence);
    }
    Event::default().id(event.id.to_string()).event(&event.kind).data(data.to_string())
}

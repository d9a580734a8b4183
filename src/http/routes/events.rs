//! `/v1/orders/{id}/events`: every change of one order as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use serde_json::json;
use tokio::time::timeout;

use super::orders::OwnOrder;
use crate::domain::ids::OrderId;
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::error::ApiError;
use crate::http::views::Problem;
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
    )
)]
pub async fn follow(
    State(app): State<App>,
    Buyer(customer): Buyer,
    id: OwnOrder,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let order = id.check(&customer)?;
    let last = headers.get("Last-Event-ID").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let subscription = app.watch.subscribe(order);
    let mut following =
        Following { app, order, last_id: last.unwrap_or(0), subscription, waiting: VecDeque::new() };
    // A database that is away is told with a status code, which is too late once the stream has begun.
    following.look().await?;
    Ok(Sse::new(stream::unfold(following, Following::next)).keep_alive(KeepAlive::default()))
}

struct Following {
    app: App,
    order: OrderId,
    last_id: i64,
    subscription: Subscription,
    waiting: VecDeque<StoredEvent>,
}

impl Following {
    async fn look(&mut self) -> Result<(), ApiError> {
        let (order, last_id) = (self.order, self.last_id);
        let found = self.app.read(async |conn| events::of_order(conn, order, last_id).await).await?;
        self.waiting.extend(found);
        Ok(())
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.last_id = event.id;
                return Some((Ok(sse(&event)), self));
            }
            let stop = self.app.stop.clone();
            stop.run_until_cancelled(timeout(LOOK_AGAIN, self.subscription.changed())).await?.ok();
            // An outage in the middle of a stream is waited out; the client has no use for it.
            let _ = self.look().await;
        }
    }
}

fn sse(event: &StoredEvent) -> Event {
    let mut data = json!({"order_id": event.order_id, "occurred_at": event.occurred_at, "data": event.data});
    if let Some(sequence) = event.sequence {
        data["sequence"] = json!(sequence);
    }
    Event::default().id(event.id.to_string()).event(&event.kind).data(data.to_string())
}

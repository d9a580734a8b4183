//! The relay: publishes the event log to the exchange `events`, in order per order, each fact at least once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::Publisher;
use holdfast::clock;
use holdfast::domain::ids::OrderId;
use holdfast::store::events::cursors::{self, Cursor};
use holdfast::store::events::{StoredEvent, relay};
use metrics::{counter, histogram};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use tokio::time::timeout;

use super::follow::{self, FollowError, Follower, LIMIT, Progress};
use crate::engine::context::Context;
use crate::engine::stop_points;

/// Facts in one message.
const MAX_FACTS: usize = 100;
/// Facts read at once, and published before the cursor moves.
const FACTS_AT_ONCE: i64 = 1_000;

/// Relays until told to stop.
pub async fn run(context: Context) {
    let publisher = context.publisher.clone();
    follow::run(Relay { publisher }, context).await;
}

struct Relay {
    publisher: Publisher,
}

impl Follower for Relay {
    const CURSOR: Cursor = Cursor::Events;
    const NAME: &'static str = "the relay of events";
    const LEADING: &'static str = "holdfast_relay_leading";
    const REST: Duration = Duration::ZERO;

    async fn read_on(&mut self, session: &mut PgConnection) -> Result<Progress, FollowError> {
        let look = timeout(LIMIT, cursors::look(session, Self::CURSOR)).await??;
        if look.is_ahead {
            return Err(FollowError::Ahead);
        }
        let (part, facts) = timeout(LIMIT, relay::next_part(session, &look, FACTS_AT_ONCE)).await??;
        if !facts.is_empty() {
            publish(&self.publisher, &facts).await?;
            stop_points::point("before_the_relay_moves_on").await;
            if !timeout(LIMIT, cursors::advance(session, Self::CURSOR, &part)).await?? {
                return Err(FollowError::Deposed);
            }
        }
        let is_behind = part.is_full || timeout(LIMIT, relay::is_behind(session, part.to)).await??;
        Ok(Progress { facts: facts.len(), is_full: part.is_full, is_behind })
    }
}

/// Publishes facts one message after the other: those of one order must not overtake each other.
async fn publish(publisher: &Publisher, facts: &[StoredEvent]) -> Result<(), FollowError> {
    let oldest = facts.iter().map(|fact| fact.occurred_at).min();
    let lag = oldest.map_or(TimeDelta::zero(), |oldest| clock::now() - oldest);
    histogram!("holdfast_relay_lag_seconds").record(lag.as_seconds_f64().max(0.0));
    for chunk in facts.chunks(MAX_FACTS) {
        publisher.publish(Outgoing::events("order", batch(chunk), clock::now())).await?;
    }
    counter!("holdfast_events_relayed_total").increment(facts.len() as u64);
    Ok(())
}

/// A fact as it is published: a CloudEvent 1.0.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: String,
    subject: OrderId,
    time: DateTime<Utc>,
    /// Of our own: the fact's place among those of its order.
    #[serde(skip_serializing_if = "Option::is_none")]
    ordersequence: Option<i32>,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

impl<'a> From<&'a StoredEvent> for CloudEvent<'a> {
    fn from(fact: &'a StoredEvent) -> Self {
        Self {
            specversion: "1.0",
            id: fact.id.to_string(),
            source: "/holdfast/orders",
            kind: format!("holdfast.{}", fact.kind),
            subject: fact.order_id,
            time: fact.occurred_at,
            ordersequence: fact.sequence,
            datacontenttype: "application/json",
            data: &fact.data,
        }
    }
}

/// Facts as one message, in the JSON batch format of CloudEvents.
fn batch(facts: &[StoredEvent]) -> Vec<u8> {
    let events: Vec<CloudEvent<'_>> = facts.iter().map(CloudEvent::from).collect();
    serde_json::to_vec(&events).expect("facts have string keys")
}

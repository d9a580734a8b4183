//! The relay: publishes the event log to the exchange `events`, in order per order, each fact at least once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::Publisher;
use holdfast::clock;
use holdfast::domain::ids::OrderId;
use holdfast::store::cursors::{self, Cursor, Round};
use holdfast::store::events::StoredEvent;
use holdfast::store::relay;
use metrics::{counter, histogram};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use crate::follow::{self, FollowError, Follower, LIMIT, Progress};
use crate::runner::Context;

/// Facts in one message.
const MAX_FACTS: usize = 100;
/// Facts published before the cursor moves within a round.
const FACTS_AT_ONCE: usize = 1_000;

/// Relays until told to stop.
pub async fn run(context: Context) {
    let (pool, publisher) = (context.pool.clone(), context.publisher.clone());
    follow::run(Relay { pool, publisher }, context).await;
}

struct Relay {
    pool: PgPool,
    publisher: Publisher,
}

impl Follower for Relay {
    const CURSOR: Cursor = Cursor::Events;
    const NAME: &'static str = "the relay of events";
    const LEADING: &'static str = "holdfast_relay_leading";
    const REST: Duration = Duration::ZERO;

    async fn read_on(&mut self, session: &mut PgConnection) -> Result<Progress, FollowError> {
        let round = timeout(LIMIT, cursors::open_round(session, Self::CURSOR)).await??;
        let facts = publish_round(session, &self.pool, &self.publisher, &round).await?;
        let is_behind = timeout(LIMIT, relay::is_behind(session, &round)).await??;
        Ok(Progress { facts, is_behind })
    }
}

/// Publishes what is left of a round. Returns how many facts that were.
async fn publish_round(
    session: &mut PgConnection,
    pool: &PgPool,
    publisher: &Publisher,
    round: &Round,
) -> Result<usize, FollowError> {
    let mut published = 0;
    let mut chunks = relay::facts(session, round).try_chunks(FACTS_AT_ONCE);
    while let Some(facts) = timeout(LIMIT, chunks.try_next()).await?.map_err(|stopped| stopped.1)? {
        let lag = clock::now() - facts[0].occurred_at;
        histogram!("holdfast_relay_lag_seconds").record(lag.as_seconds_f64().max(0.0));
        // One after the other: facts of one order must not overtake each other.
        for chunk in facts.chunks(MAX_FACTS) {
            publisher.publish(Outgoing::events("order", batch(chunk), clock::now())).await?;
        }
        counter!("holdfast_events_relayed_total").increment(facts.len() as u64);
        published += facts.len();
        // A round of one chunk is noted as finished below; a longer one goes on from here after a crash.
        if let [.., last] = facts.as_slice()
            && facts.len() == FACTS_AT_ONCE
            && !cursors::advance(&mut *pool.acquire().await?, Cursor::Events, round, last.id).await?
        {
            return Err(FollowError::Deposed);
        }
    }
    drop(chunks);
    timeout(LIMIT, cursors::finish(session, Cursor::Events, round)).await??;
    Ok(published)
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

//! The relay: publishes the event log to the exchange `events`, in order per order, each fact at least once. One
//! relay at a time; another takes over when its database session ends.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::{PublishError, Publisher};
use holdfast::clock;
use holdfast::domain::ids::OrderId;
use holdfast::retry::Backoff;
use holdfast::store::events::{CHANNEL, StoredEvent};
use holdfast::store::relay::{self, Round};
use metrics::{counter, gauge, histogram};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Facts in one message.
const MAX_FACTS: usize = 100;
/// Facts published before the cursor moves within a round.
const FACTS_AT_ONCE: usize = 1_000;
/// A relay in waiting asks this often whether its turn has come.
const STANDBY: Duration = Duration::from_secs(1);
/// How long to sleep without a notification: one can be lost with its connection.
const IDLE: Duration = Duration::from_secs(1);
/// How soon to look again while the oldest transaction keeps facts back: at first, and when it takes long.
const HELD_BACK: Duration = Duration::from_millis(5);
const HELD_BACK_LONG: Duration = Duration::from_millis(250);
/// No statement of the relay takes this long, unless the server is gone.
const LIMIT: Duration = Duration::from_secs(30);
const CEILING: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the database is silent")]
    Silent(#[from] Elapsed),
    #[error("another relay has taken over")]
    Deposed,
}

/// Relays until told to stop.
pub async fn run(pool: PgPool, publisher: Publisher, stop: CancellationToken) {
    let mut backoff = Backoff::with_ceiling(CEILING);
    while !stop.is_cancelled() {
        let ended = stop.run_until_cancelled(lead(&pool, &publisher, &mut backoff)).await;
        gauge!("holdfast_relay_leading").set(0.0);
        if let Some(Err(error)) = ended {
            warn!(%error, "the relay stopped, trying again");
            stop.run_until_cancelled(backoff.wait()).await;
        }
    }
}

/// Waits for the lead, then publishes round after round until something fails.
async fn lead(pool: &PgPool, publisher: &Publisher, backoff: &mut Backoff) -> Result<(), RelayError> {
    // The lock belongs to the session: the connection leaves the pool for good, and closing it gives the lock up.
    let mut session = pool.acquire().await?.detach();
    while !timeout(LIMIT, relay::try_lead(&mut session)).await?? {
        tokio::time::sleep(STANDBY).await;
    }
    info!("leading the relay of events");
    gauge!("holdfast_relay_leading").set(1.0);
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let mut held_back = HELD_BACK;
    loop {
        let round = timeout(LIMIT, relay::open_round(&mut session)).await??;
        let published = publish_round(&mut session, pool, publisher, &round).await?;
        backoff.reset();
        // Facts newer than the oldest running transaction are kept back, and its end may ring no bell. Each look
        // leaves a row version behind that nobody can clean up meanwhile, so they grow rarer.
        held_back = if published > 0 { HELD_BACK } else { HELD_BACK_LONG.min(held_back * 2) };
        let patience =
            if timeout(LIMIT, relay::is_behind(&mut session, &round)).await?? { held_back } else { IDLE };
        if let Ok(notification) = timeout(patience, listener.recv()).await {
            notification?;
            while let Ok(Ok(_)) = timeout(Duration::ZERO, listener.recv()).await {}
        }
    }
}

/// Publishes what is left of a round. Returns how many facts that were.
async fn publish_round(
    session: &mut PgConnection,
    pool: &PgPool,
    publisher: &Publisher,
    round: &Round,
) -> Result<usize, RelayError> {
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
            && !relay::advance(&mut *pool.acquire().await?, round, last.id).await?
        {
            return Err(RelayError::Deposed);
        }
    }
    drop(chunks);
    timeout(LIMIT, relay::finish(session, round)).await??;
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

//! Sends the frozen sets of replays back to their queues, batch by batch, at the rate that was asked for.
//!
//! A batch is one transaction: dead letters are locked, published, confirmed, marked, and their outcomes and audit rows written.
//! A crash before the commit leaves all of it as it was, for whichever process claims the replay next; what the broker had
//! confirmed by then is sent again under the same message id, which its worker finds done.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast::broker::envelope::{Outgoing, ReplayedLetter, TRACEPARENT};
use holdfast::broker::publisher::{PublishError, Publisher};
use holdfast::clock;
use holdfast::domain::ids::OrderId;
use holdfast::message::Queue;
use holdfast::retry::Backoff;
use holdfast::store::dead_letters::replays::{self, Due, Handled, ReplayOutcome};
use holdfast::store::dead_letters::{self, DeadLetter, DeadLetterStatus, SUBJECT};
use holdfast::store::operators::actions::{Act, NewAction};
use holdfast::store::{self, operators};
use metrics::counter;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::{info, warn};
use uuid::Uuid;

use super::portion::Portion;
use crate::engine::context::Context;
use crate::engine::stop_points;

/// How often to look for a replay whose next batch is due.
const LOOK: Duration = Duration::from_millis(250);
/// Dead letters in one batch: so few that nobody waits long for their rows.
const BATCH: i32 = 200;
/// Batches in a second at a low rate, so that it goes on evenly.
const BATCHES_PER_SECOND: i32 = 4;
/// Rows are locked meanwhile; a broker that takes longer is asked again later.
const PUBLISH_LIMIT: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(15);
const CEILING: Duration = Duration::from_secs(2);
/// A replay whose batch has failed lets others have their turn for so long.
const TURN_SECONDS: f64 = 2.0;
/// A short string of AMQP.
const MAX_SHORT_BYTES: usize = 255;

/// Why a batch is given up, to be tried again.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the broker is silent")]
    Silent(#[from] Elapsed),
}

/// Replays until told to stop.
pub async fn run(context: Context) {
    let Context { pool, publisher, stop, gate, .. } = context;
    let mut backoff = Backoff::with_ceiling(CEILING);
    let mut portion = Portion::of(BATCH.into());
    while stop.run_until_cancelled(gate.opened()).await.is_some() {
        // A batch that has begun is finished: it is short.
        let mut claimed = None;
        let sent = store::within(&pool, LIMIT, async |conn| {
            send_batch(conn, &publisher, portion.size(), &mut claimed).await
        })
        .await;
        match sent {
            Ok(true) => {
                backoff.reset();
                portion.went_well();
            }
            Ok(false) => {
                backoff.reset();
                stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
            }
            Err(error) => {
                warn!(%error, "cannot replay dead letters now, trying again");
                if let BatchError::Database(error) = &error {
                    portion.failed(error);
                }
                if let Some(replay) = claimed {
                    let later =
                        async |conn: &mut PgConnection| replays::postpone(conn, replay, TURN_SECONDS).await;
                    // If that fails as well, the database is away for all of them.
                    let _ = store::within(&pool, LIMIT, later).await;
                }
                stop.run_until_cancelled(backoff.wait()).await;
            }
        }
    }
}

/// Sends the next batch of a replay that is due, if there is one, of so many at most; says which it has claimed.
async fn send_batch(
    conn: &mut PgConnection,
    publisher: &Publisher,
    at_most: i64,
    claimed: &mut Option<Uuid>,
) -> Result<bool, BatchError> {
    let mut tx = conn.begin().await?;
    let Some(replay) = replays::claim(&mut tx).await? else {
        tx.rollback().await?;
        return Ok(false);
    };
    *claimed = Some(replay.id);
    let size = i64::from((replay.rate_per_second / BATCHES_PER_SECOND).clamp(1, BATCH)).min(at_most);
    let items = replays::next_items(&mut tx, &replay, size).await?;
    let ids: Vec<Uuid> = items.iter().map(|(_, id)| *id).collect();
    let letters = dead_letters::lock(&mut tx, &ids).await?;
    let by_id: HashMap<Uuid, &DeadLetter> = letters.iter().map(|letter| (letter.id, letter)).collect();

    let sending = items.into_iter().map(|(position, id)| {
        let message = message(by_id.get(&id).copied());
        async move { (position, id, timeout(PUBLISH_LIMIT, send(publisher, message)).await) }
    });
    // The letters are locked until they are marked: the next death of each waits, and finds it replayed, not open.
    let answers = join_all(sending).await;
    stop_points::point("replay_published").await;
    let (mut batch, mut sent) = (vec![], vec![]);
    for (position, id, answer) in answers {
        let (outcome, reason) = match answer.map_err(BatchError::from).and_then(|sent| Ok(sent?)) {
            Ok(outcome) => outcome,
            // Places are handled in their order: what was sent before this one is noted, and the rest is tried again.
            Err(error) if batch.is_empty() => return Err(error),
            Err(error) => {
                warn!(%error, "the broker has not confirmed a whole batch of a replay");
                break;
            }
        };
        if outcome == ReplayOutcome::Replayed {
            sent.push(id);
        }
        batch.push(Handled { position, outcome, reason });
    }
    dead_letters::mark(&mut tx, &sent, DeadLetterStatus::Replayed).await?;
    operators::actions::append(&mut tx, &audit(&replay, &sent)).await?;
    replays::note(&mut tx, &replay, &batch).await?;
    tx.commit().await?;
    counter!("holdfast_dead_letters_replayed_total").increment(sent.len() as u64);
    info!(replay = %replay.id, replayed = sent.len(), of = batch.len(), "replayed a batch of dead letters");
    Ok(true)
}

/// Publishes a message, if there is one. A queue that is full or missing is an outcome of this letter; a broker that does not
/// answer is none of any, and the batch is tried again.
async fn send(
    publisher: &Publisher,
    message: Result<Outgoing, (ReplayOutcome, String)>,
) -> Result<(ReplayOutcome, Option<String>), PublishError> {
    let message = match message {
        Ok(message) => message,
        Err((outcome, reason)) => return Ok((outcome, Some(reason))),
    };
    match publisher.publish(message).await {
        Ok(()) => Ok((ReplayOutcome::Replayed, None)),
        Err(refused @ (PublishError::Full | PublishError::Unroutable)) => {
            Ok((ReplayOutcome::Failed, Some(refused.to_string())))
        }
        Err(PublishError::Unavailable) => Err(PublishError::Unavailable),
    }
}

/// The message of a dead letter that goes back, or why it does not.
fn message(letter: Option<&DeadLetter>) -> Result<Outgoing, (ReplayOutcome, String)> {
    let failed = |reason: &str| (ReplayOutcome::Failed, reason.to_owned());
    let letter = letter.ok_or_else(|| failed("it is gone"))?;
    if letter.status != DeadLetterStatus::Open {
        return Err((ReplayOutcome::Skipped, format!("it is {}", letter.status.name())));
    }
    let queue = Queue::from_name(&letter.queue)
        .ok_or_else(|| failed(&format!("nothing reads {}; discard it instead", letter.queue)))?;
    if letter.message_id.len().max(letter.message_type.len()) > MAX_SHORT_BYTES {
        return Err(failed("its id or type is too long for a message"));
    }
    let replay = ReplayedLetter {
        queue,
        message_id: &letter.message_id,
        message_type: &letter.message_type,
        order_id: letter.order_id.map(OrderId::from),
        traceparent: letter.headers.get(TRACEPARENT).and_then(Value::as_str),
        replay_count: letter.replay_count + 1,
        body: &letter.body,
    };
    Ok(Outgoing::replay(replay, clock::now()))
}

fn audit<'a>(replay: &'a Due, sent: &[Uuid]) -> Vec<NewAction<'a>> {
    let action = |id: &Uuid| NewAction {
        actor: &replay.actor,
        act: Act::DeadLetterReplay,
        subject: operators::actions::subject(SUBJECT, *id),
        before: Some(json!({"status": DeadLetterStatus::Open})),
        after: Some(json!({"status": DeadLetterStatus::Replayed, "replay_id": replay.id})),
        reason: replay.reason.as_deref(),
    };
    sent.iter().map(action).collect()
}

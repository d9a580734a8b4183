//! Dead letters as operators handle them: what the command line, and later the API and console, share.

use anyhow::{Context as _, bail};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::broker::envelope::{Outgoing, Replay, TRACEPARENT};
use crate::broker::publisher::Publisher;
use crate::clock;
use crate::domain::ids::OrderId;
use crate::message::Queue;
use crate::store::dead_letters::{self, Action, DeadLetter, DeadLetterStatus};

/// Dead letters, those that died last first.
pub async fn list(
    pool: &PgPool,
    status: Option<DeadLetterStatus>,
    queue: Option<&str>,
    limit: i64,
) -> anyhow::Result<Vec<DeadLetter>> {
    Ok(dead_letters::list(&mut *pool.acquire().await?, status, queue, limit).await?)
}

/// One dead letter.
pub async fn show(pool: &PgPool, id: Uuid) -> anyhow::Result<DeadLetter> {
    let mut tx = pool.begin().await?;
    dead_letters::lock(&mut tx, id).await?.context("there is no such dead letter")
}

/// Sends a dead letter back to its queue. A crash between the broker's confirm and the commit leaves it open, and a
/// second replay is harmless: commands are idempotent by their business key.
pub async fn replay(pool: &PgPool, publisher: &Publisher, id: Uuid, actor: &str) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    let letter = dead_letters::lock(&mut tx, id).await?.context("there is no such dead letter")?;
    if letter.status != DeadLetterStatus::Open {
        bail!("it is not open any more");
    }
    let queue = Queue::from_name(&letter.queue)
        .with_context(|| format!("nothing reads {}; discard it instead", letter.queue))?;
    let message = Outgoing::replay(
        Replay {
            queue,
            message_id: &letter.message_id,
            message_type: &letter.message_type,
            order_id: letter.order_id.map(OrderId::from),
            traceparent: letter.headers.get(TRACEPARENT).and_then(Value::as_str),
            replay_count: letter.replay_count + 1,
            body: &letter.body,
        },
        clock::now(),
    );
    let action = Action { id, becomes: DeadLetterStatus::Replayed, actor, reason: None };
    // Marked before it is published: its next death must find it replayed, not open.
    dead_letters::act(&mut tx, action).await?;
    publisher.publish(message).await?;
    tx.commit().await?;
    Ok(())
}

/// Gives a dead letter up, with a reason.
pub async fn discard(pool: &PgPool, id: Uuid, actor: &str, reason: &str) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    let letter = dead_letters::lock(&mut tx, id).await?.context("there is no such dead letter")?;
    if letter.status != DeadLetterStatus::Open {
        bail!("it is not open any more");
    }
    let action = Action { id, becomes: DeadLetterStatus::Discarded, actor, reason: Some(reason) };
    dead_letters::act(&mut tx, action).await?;
    tx.commit().await?;
    Ok(())
}

/// A text for a terminal: control characters are shown, not obeyed.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

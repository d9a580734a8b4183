//! Edit-and-replay: a changed copy goes to the queue as a message of its own, and both know of each other.

use std::time::Duration;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::DeadLetterError;
use super::body::{Body, pretty};
use crate::broker::envelope::{Outgoing, ReplayedLetter, TRACEPARENT};
use crate::broker::publisher::Publisher;
use crate::clock;
use crate::domain::reason::Reason;
use crate::message::{Queue, order_of};
use crate::ops::rights::Actor;
use crate::store::dead_letters::edits::NewEdit;
use crate::store::dead_letters::{self, DeadLetter, DeadLetterStatus, SUBJECT};
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};

/// Namespace of the ids of changed copies.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d0e_51a7_29c4_4c5e_8b1d_f04a_7be1_93d2);

/// What a change of a body would do, or has done.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct Edited {
    /// The dead letter.
    pub id: Uuid,
    /// The id of the copy: the same for the same change, so that a repetition is not a second message.
    pub message_id: String,
    /// Both bodies line by line.
    pub difference: Vec<DiffLine>,
}

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct DiffLine {
    /// `-` only in the old body, `+` only in the new one, or a blank.
    pub sign: char,
    /// The line.
    pub text: String,
}

/// Says what a change would do, and refuses what the queue's worker could not read.
pub async fn preview(conn: &mut PgConnection, id: Uuid, body: &[u8]) -> Result<Edited, DeadLetterError> {
    let letter = dead_letters::find(conn, id).await?.ok_or(DeadLetterError::NoSuchLetter(id))?;
    Ok(checked(&letter, body)?.0)
}

/// Sends the changed copy and marks the original as replaced, in the transaction of the caller. A crash between the
/// broker's confirm and the commit leaves the original open; the same change again is the same message again.
pub async fn send(
    conn: &mut PgConnection,
    actor: &Actor,
    publisher: &Publisher,
    id: Uuid,
    body: &[u8],
    reason: Option<&Reason>,
) -> Result<Edited, DeadLetterError> {
    let locked = dead_letters::lock(conn, &[id]).await?.pop();
    let letter = locked.ok_or(DeadLetterError::NoSuchLetter(id))?;
    let (edited, message) = checked(&letter, body)?;
    dead_letters::mark(conn, &[id], DeadLetterStatus::Replaced).await?;
    let edit = NewEdit { dead_letter_id: id, queue: &letter.queue, message_id: &edited.message_id, body };
    dead_letters::edits::insert(conn, edit).await?;
    let action = NewAction {
        actor: &actor.name,
        act: Act::DeadLetterEdit,
        subject: operators::actions::subject(SUBJECT, id),
        before: Some(json!({"status": letter.status, "body": stored(&letter.body)})),
        after: Some(json!({
            "status": DeadLetterStatus::Replaced, "message_id": edited.message_id, "body": stored(body),
        })),
        reason: reason.map(Reason::as_str),
    };
    operators::actions::append(conn, &[action]).await?;
    publisher.publish(message).await?;
    Ok(edited)
}

fn checked(letter: &DeadLetter, body: &[u8]) -> Result<(Edited, Outgoing), DeadLetterError> {
    if letter.status != DeadLetterStatus::Open {
        return Err(DeadLetterError::WrongStatus(letter.status.name()));
    }
    let queue = Queue::from_name(&letter.queue)
        .ok_or_else(|| DeadLetterError::Unfit(format!("nothing reads {}", letter.queue)))?;
    if body == letter.body {
        return Err(DeadLetterError::Unfit("nothing is changed; replay it instead".to_owned()));
    }
    let order_id = order_of(queue, body).map_err(|error| DeadLetterError::Unfit(error.to_string()))?;
    let mut name = format!("{}\n{}\n", letter.id, letter.death_count).into_bytes();
    name.extend_from_slice(body);
    let message_id = Uuid::new_v5(&NAMESPACE, &name).to_string();
    let message = Outgoing::replay(
        ReplayedLetter {
            queue,
            message_id: &message_id,
            message_type: queue.name(),
            order_id,
            traceparent: letter.headers.get(TRACEPARENT).and_then(Value::as_str),
            replay_count: 0,
            body,
        },
        clock::now(),
    );
    Ok((Edited { id: letter.id, message_id, difference: difference(&letter.body, body) }, message))
}

/// After so long the rest counts as changed: a difference of strangers' bodies must not keep a page.
const DIFFERENCE_LIMIT: Duration = Duration::from_millis(200);

/// Two bodies line by line, laid out if they are JSON.
pub fn difference(old: &[u8], new: &[u8]) -> Vec<DiffLine> {
    let lines = |body| pretty(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let (old, new) = (lines(old), lines(new));
    let sign = |tag| match tag {
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
        ChangeTag::Equal => ' ',
    };
    TextDiff::configure()
        .timeout(DIFFERENCE_LIMIT)
        .diff_lines(&old, &new)
        .iter_all_changes()
        .map(|change| DiffLine {
            sign: sign(change.tag()),
            text: change.value().trim_end_matches('\n').to_owned(),
        })
        .collect()
}

/// A body for the audit log, which PostgreSQL stores as JSON: it takes no NUL.
fn stored(body: &[u8]) -> Value {
    match Body::from(body) {
        Body::Text(text) if text.contains('\0') => json!(text.replace('\0', "\u{fffd}")),
        body => json!(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_lines_that_changed() {
        let lines = difference(br#"{"a":1,"b":2}"#, br#"{"a":1,"b":3}"#);
        let shown: Vec<String> = lines.iter().map(|line| format!("{}{}", line.sign, line.text)).collect();
        assert_eq!(shown, [" {", "   \"a\": 1,", "-  \"b\": 2", "+  \"b\": 3", " }"]);
    }
}

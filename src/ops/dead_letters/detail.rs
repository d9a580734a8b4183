//! One dead letter with its story.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::DeadLetterError;
use super::body::Body;
use crate::broker::envelope::TRACEPARENT;
use crate::store::dead_letters::edits::Replacement;
use crate::store::dead_letters::replays::{self, LetterReplay};
use crate::store::dead_letters::{self, DeadLetter, DeadLetterStatus, Death, SUBJECT};
use crate::store::operators;
use crate::store::operators::actions::Action;

/// Deaths, actions and replays shown with a dead letter, the latest of each.
const STORY: i64 = 100;

/// A dead letter with its body.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct LetterView {
    /// Its own id.
    pub id: Uuid,
    /// The message's id.
    pub message_id: String,
    /// Where it died.
    pub queue: String,
    /// What became of it.
    pub status: DeadLetterStatus,
    /// The message's type.
    pub message_type: String,
    /// The order it is about.
    pub order_id: Option<Uuid>,
    /// The customer it is about.
    pub customer_id: Option<String>,
    /// The SKUs it is about.
    pub skus: Vec<String>,
    /// What kind of error.
    pub error_class: String,
    /// The error in words.
    pub error_text: String,
    /// How often it was tried the last time.
    pub attempts: i32,
    /// How often it died.
    pub death_count: i32,
    /// How often it was replayed.
    pub replay_count: i32,
    /// Whether it died again after it was replayed.
    pub is_repeat_failure: bool,
    /// When it first died.
    pub first_died_at: DateTime<Utc>,
    /// When it last died.
    pub last_died_at: DateTime<Utc>,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// Its headers.
    pub headers: Value,
    /// Its body.
    pub body: Body,
}

impl From<DeadLetter> for LetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            is_repeat_failure: letter.replay_count > 0 && letter.death_count > 1,
            trace_id: trace_id(&letter.headers).map(str::to_owned),
            body: Body::from(letter.body.as_slice()),
            id: letter.id,
            message_id: letter.message_id,
            queue: letter.queue,
            status: letter.status,
            message_type: letter.message_type,
            order_id: letter.order_id,
            customer_id: letter.customer_id,
            skus: letter.skus,
            error_class: letter.error_class,
            error_text: letter.error_text,
            attempts: letter.attempts,
            death_count: letter.death_count,
            replay_count: letter.replay_count,
            first_died_at: letter.first_died_at,
            last_died_at: letter.last_died_at,
            headers: letter.headers,
        }
    }
}

/// A dead letter with its story.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct DeadLetterDetail {
    /// The dead letter.
    #[serde(flatten)]
    pub letter: LetterView,
    /// Its deaths, the latest first.
    pub deaths: Vec<Death>,
    /// What operators did to it, the latest first.
    pub actions: Vec<Action>,
    /// The replays that it was part of, the latest first.
    pub replays: Vec<LetterReplay>,
    /// The changed copy that went in its place.
    pub replaced_by: Option<Replacement>,
    /// The dead letter in whose place this message was sent.
    pub replaces: Option<Uuid>,
    /// Its exact bytes.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// One dead letter with its story.
pub async fn show(conn: &mut PgConnection, id: Uuid) -> Result<DeadLetterDetail, DeadLetterError> {
    let letter = dead_letters::find(conn, id).await?.ok_or(DeadLetterError::NoSuchLetter(id))?;
    let about = operators::actions::ActionFilter {
        subject_kind: Some(SUBJECT.to_owned()),
        subject_id: Some(id.to_string()),
        ..operators::actions::ActionFilter::default()
    };
    Ok(DeadLetterDetail {
        deaths: dead_letters::deaths(conn, id, STORY).await?,
        actions: operators::actions::list(conn, &about, STORY).await?,
        replays: replays::of_letter(conn, id, STORY).await?,
        replaced_by: dead_letters::edits::replacement(conn, id).await?,
        replaces: dead_letters::edits::original(conn, &letter.queue, &letter.message_id, &letter.body)
            .await?,
        bytes: letter.body.clone(),
        letter: letter.into(),
    })
}

/// The trace id of a W3C `traceparent`.
fn trace_id(headers: &Value) -> Option<&str> {
    let mut fields = headers.get(TRACEPARENT)?.as_str()?.split('-');
    let trace_id = fields.nth(1)?;
    let is_one = trace_id.len() == 32 && trace_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then_some(trace_id)
}

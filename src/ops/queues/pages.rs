//! `/ops/queues`: queues, rungs, pools and processes.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;

use super::{ages, with_ages};
use crate::broker::queues::{AgeIs, QueueKind, QueueView, QueuesView, Source};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::console::filters::age;
use crate::ops::console::{self, Frame, ReasonForm, filters};
use crate::ops::desk::Desk;
use crate::ops::workers::{self, BatchView, WorkersView};

const HERE: &str = "/ops/queues";

#[derive(askama::Template)]
#[template(path = "queues.html")]
struct QueuesPage {
    frame: Frame,
    queues: QueuesView,
    workers: WorkersView,
}

#[derive(askama::Template)]
#[template(path = "queues_live.html")]
struct QueuesFragment {
    queues: QueuesView,
    workers: WorkersView,
}

pub async fn list(State(app): State<App>, frame: Frame) -> Result<Response, ApiError> {
    let (queues, workers) = look(&app).await?;
    Ok(console::page(&QueuesPage { frame, queues, workers }))
}

/// What of it changes by itself.
pub async fn live(State(app): State<App>, _: Frame) -> Result<Response, ApiError> {
    let (queues, workers) = look(&app).await?;
    Ok(console::page(&QueuesFragment { queues, workers }))
}

async fn look(app: &App) -> Result<(QueuesView, WorkersView), ApiError> {
    let known = app.read(async |conn| Ok::<_, sqlx::Error>((ages(conn).await?, workers::list(conn).await?)));
    let (known, queues) = tokio::join!(known, app.look_at_queues());
    let (ages, workers) = known?;
    Ok((with_ages(queues, &ages), workers))
}

pub async fn pause(
    desk: Desk,
    Path(pool): Path<String>,
    Form(because): Form<ReasonForm>,
) -> Result<Response, ApiError> {
    let paused = desk.pause_pool(pool, because.given()?).await?;
    Ok(console::told(HERE, &format!("The pool {} is paused; batches in hand are finished.", paused.pool)))
}

/// Lets a pool go on.
pub async fn resume(
    desk: Desk,
    Path(pool): Path<String>,
    Form(because): Form<ReasonForm>,
) -> Result<Response, ApiError> {
    let resumed = desk.resume_pool(pool, because.if_any()?).await?;
    Ok(console::told(HERE, &format!("The pool {} goes on.", resumed.pool)))
}

impl QueueView {
    /// Command queues always, others when something is in them that should not stay.
    pub(in crate::ops) fn is_worth_a_card(&self) -> bool {
        match self.kind {
            QueueKind::Command => true,
            QueueKind::Dead | QueueKind::Unreadable => self.ready > 0,
            QueueKind::Delay => false,
        }
    }

    /// The age of the oldest message, and how sure that is.
    pub fn oldest_words(&self) -> String {
        match (self.oldest_seconds, self.oldest_is) {
            (Some(seconds), Some(AgeIs::Measured)) => age(seconds),
            (Some(seconds), _) => format!("at most {}", age(seconds)),
            (None, _) => "–".to_owned(),
        }
    }

    /// Messages in, handed out and acknowledged per second.
    pub fn rate_words(&self) -> String {
        match (self.published_per_second, self.delivered_per_second, self.acknowledged_per_second) {
            (Some(published), Some(delivered), Some(acknowledged)) => {
                format!("{published:.1} / {delivered:.1} / {acknowledged:.1}")
            }
            _ => "–".to_owned(),
        }
    }
}

impl BatchView {
    /// `3 messages in 12 ms, waited 0 s`.
    pub fn words(&self) -> String {
        let waited = self.waited_seconds.map(|waited| format!(", waited {waited} s")).unwrap_or_default();
        format!("{} in {} ms{waited}", self.messages, self.duration_ms)
    }
}

impl QueuesView {
    /// Where the numbers are from, in a sentence.
    pub fn source_words(&self) -> String {
        let why = self.why.as_deref().unwrap_or_default();
        match self.source {
            Source::ManagementApi => "From RabbitMQ's management API, up to 5 seconds old.".to_owned(),
            Source::Amqp => format!("By AMQP, which tells neither rates nor unacknowledged messages: {why}."),
            Source::None => format!("RabbitMQ does not answer: {why}."),
        }
    }
}

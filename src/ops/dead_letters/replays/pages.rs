//! `/ops/replays`: what is on its way back, and how far it has come.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use super::api::{ItemQuery, ReplayQuery, find, find_items};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::ops::console::{self, Frame, filters};
use crate::ops::desk::Desk;
use crate::store::dead_letters::filter::DeadLetterFilter;
use crate::store::dead_letters::replays::{Replay, ReplayItem, ReplayOutcome, ReplayStatus};

impl ReplayStatus {
    /// How loud it looks on a page.
    const fn tone(self) -> &'static str {
        match self {
            Self::Running => "calm",
            Self::Cancelled => "warn",
            Self::Done => "good",
        }
    }
}

impl ReplayOutcome {
    /// How loud it looks on a page.
    pub(in crate::ops) const fn tone(self) -> &'static str {
        match self {
            Self::Replayed => "good",
            Self::Skipped => "",
            Self::Failed => "bad",
        }
    }
}

impl Replay {
    fn is_running(&self) -> bool {
        self.status == ReplayStatus::Running
    }

    /// The address of the list with its filter.
    fn list_query(&self) -> Option<String> {
        let filter: DeadLetterFilter = serde_json::from_value(self.filter.clone()?).ok()?;
        Some(filter.to_query())
    }
}

#[derive(askama::Template)]
#[template(path = "replays.html")]
struct ReplaysPage {
    frame: Frame,
    replays: Vec<Replay>,
    next: Option<Uuid>,
}

#[derive(askama::Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    frame: Frame,
    replay: Replay,
    query: ItemQuery,
    items: Vec<ReplayItem>,
    next: Option<i32>,
}

/// Replays, the latest first.
pub async fn list(
    State(app): State<App>,
    frame: Frame,
    Query(query): Query<ReplayQuery>,
) -> Result<Response, ApiError> {
    let (replays, next) = app.read(async |conn| super::list(conn, query.before).await).await?;
    Ok(console::page(&ReplaysPage { frame, replays, next }))
}

/// One replay: how far it has come, and what came of each dead letter.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    id: Result<Path<Uuid>, PathRejection>,
    Query(query): Query<ItemQuery>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let replay = find(&app, id).await?;
    let (items, next) = find_items(&app, id, query).await?;
    Ok(console::page(&ReplayPage { frame, replay, query, items, next }))
}

pub async fn cancel(desk: Desk, id: Result<Path<Uuid>, PathRejection>) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let stopped = desk.cancel_replay(id).await?;
    let left = stopped.total - stopped.handled();
    Ok(console::told(&format!("/ops/replays/{id}"), &format!("It is stopped; {left} were not sent.")))
}

//! `/ops/dead-letters`: groups, the list, one dead letter, and what is done to them.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::Form;
use futures_util::FutureExt as _;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::api::find;
use super::body::{hex_dump, pretty};
use super::detail::DeadLetterDetail;
use super::edit::{DiffLine, difference};
use super::replays::{DEFAULT_RATE, MAX_RATE, MAX_TOTAL};
use super::request::Listing;
use super::{Change, DeadLetterError, MAX_CHANGED, Selection};
use crate::domain::reason::Reason;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::console::{self, Frame, filters};
use crate::ops::desk::Desk;
use crate::store::dead_letters::DeadLetterStatus;
use crate::store::dead_letters::filter::{DeadLetterFilter, Which};
use crate::store::dead_letters::lists::{Group, Page, SCANNED_AT_ONCE, Summary};

impl DeadLetterStatus {
    /// How loud it looks on a page.
    pub(in crate::ops) const fn tone(self) -> &'static str {
        match self {
            Self::Open => "bad",
            Self::Replayed => "good",
            Self::Discarded => "",
            Self::Replaced => "calm",
        }
    }
}

#[derive(askama::Template)]
#[template(path = "dead_letters.html")]
struct LettersPage {
    frame: Frame,
    filter: DeadLetterFilter,
    groups: Vec<Group>,
    letters: Vec<Summary>,
    next: Option<String>,
    is_first: bool,
}

impl LettersPage {
    fn has_group(&self) -> bool {
        let DeadLetterFilter { queue, error_class, message_type, .. } = &self.filter;
        queue.is_some() && error_class.is_some() && message_type.is_some()
    }

    fn group_query(&self, group: &Group) -> String {
        let narrowed = DeadLetterFilter {
            queue: Some(group.queue.clone()),
            error_class: Some(group.error_class.clone()),
            message_type: Some(group.message_type.clone()),
            ..self.filter.clone()
        };
        narrowed.to_query()
    }

    fn which(&self) -> Which {
        self.filter.status.unwrap_or(Which::Open)
    }
}

/// Groups and the list, filtered by the address.
pub async fn list(State(app): State<App>, frame: Frame, listing: Listing) -> Result<Response, ApiError> {
    let Listing { filter, after, .. } = listing;
    let asked = filter.clone();
    // In a transaction, because the list has settings of its own.
    let reading = app.write(move |tx| {
        async move {
            let groups = if after.is_none() { super::groups(tx, &asked).await? } else { vec![] };
            Ok((groups, super::list(tx, &asked, after).await?))
        }
        .boxed()
    });
    let (groups, Page { letters, next }) = reading.await?;
    let next = next.map(|next| next.to_string());
    Ok(console::page(&LettersPage { frame, filter, groups, letters, next, is_first: after.is_none() }))
}

#[derive(askama::Template)]
#[template(path = "dead_letter.html")]
struct DetailPage {
    frame: Frame,
    detail: DeadLetterDetail,
    may_edit: bool,
    lines: Option<String>,
    dump: String,
    headers: String,
    difference: Vec<DiffLine>,
}

/// One dead letter with its story.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Response, ApiError> {
    let detail = find(&app, id).await?;
    let may_edit = app.may_edit_dead_letters && detail.letter.status == DeadLetterStatus::Open;
    let difference = detail.replaced_by.as_ref().map(|copy| difference(&detail.bytes, &copy.body));
    Ok(console::page(&DetailPage {
        frame,
        may_edit,
        lines: pretty(&detail.bytes),
        dump: hex_dump(&detail.bytes),
        headers: serde_json::to_string_pretty(&detail.letter.headers).unwrap_or_default(),
        difference: difference.unwrap_or_default(),
        detail,
    }))
}

/// What a button of a form asks for: of the ticked ones, or of all that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Button {
    /// Send the ticked ones back.
    Replay,
    ReplayAll,
    /// Give the ticked ones up.
    Discard,
    DiscardAll,
    /// Open the ticked ones again.
    Restore,
    RestoreAll,
}

impl Button {
    const fn is_for_all(self) -> bool {
        matches!(self, Self::ReplayAll | Self::DiscardAll | Self::RestoreAll)
    }

    /// The change it makes; a replay is none.
    const fn change(self) -> Option<Change> {
        match self {
            Self::Replay | Self::ReplayAll => None,
            Self::Discard | Self::DiscardAll => Some(Change::Discard),
            Self::Restore | Self::RestoreAll => Some(Change::Restore),
        }
    }

    const fn value(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::ReplayAll => "replay-all",
            Self::Discard => "discard",
            Self::DiscardAll => "discard-all",
            Self::Restore => "restore",
            Self::RestoreAll => "restore-all",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Replay | Self::ReplayAll => "Replay",
            Self::Discard | Self::DiscardAll => "Discard",
            Self::Restore | Self::RestoreAll => "Restore",
        }
    }
}

/// What the forms send.
#[derive(Debug, Deserialize)]
pub struct AskedForm {
    button: Button,
    #[serde(default)]
    id: Vec<Uuid>,
    /// The filter of the page, as in its address.
    #[serde(default)]
    filter: String,
    #[serde(default)]
    reason: String,
    rate_per_second: Option<i32>,
    /// Whether the page that says how many it is has been seen.
    #[serde(default)]
    is_confirmed: bool,
}

#[derive(askama::Template)]
#[template(path = "dead_letters_confirm.html")]
struct ConfirmPage {
    frame: Frame,
    button: Button,
    query: String,
    count: i64,
    reason: String,
}

/// Does what a button asks for. What is for all that match says first how many that are.
pub async fn act(
    State(app): State<App>,
    desk: Desk,
    frame: Frame,
    Form(asked): Form<AskedForm>,
) -> Result<Response, ApiError> {
    let filter = DeadLetterFilter::from_query(&asked.filter).map_err(ApiError::Unprocessable)?;
    let back = format!("/ops/dead-letters?{}", filter.to_query());
    let button = asked.button;
    if !button.is_for_all() && asked.id.is_empty() {
        return Ok(console::told(&back, "Nothing is ticked, so nothing was done."));
    }
    if button.is_for_all() && !asked.is_confirmed {
        let count = count(&app, button, filter.clone()).await?;
        let (query, reason) = (filter.to_query(), asked.reason);
        return Ok(console::page(&ConfirmPage { frame, button, query, count, reason }));
    }
    let selection = if button.is_for_all() { Selection::Matching(filter) } else { Selection::Ids(asked.id) };
    let reason = Reason::optional(Some(asked.reason))?;
    let Some(change) = button.change() else {
        let rate = asked.rate_per_second.unwrap_or(DEFAULT_RATE);
        let replay = desk.start_replay(selection, rate, reason).await?;
        return Ok(Redirect::to(&format!("/ops/replays/{}", replay.id)).into_response());
    };
    let changed = desk.change_dead_letters(selection, change, reason).await?;
    let what = match change {
        Change::Discard => "discarded",
        Change::Restore => "restored",
    };
    let skipped = match changed.skipped {
        0 => String::new(),
        skipped => format!("; {skipped} had another status by then"),
    };
    Ok(console::told(&back, &format!("{} {what}{skipped}.", changed.changed)))
}

async fn count(app: &App, button: Button, filter: DeadLetterFilter) -> Result<i64, ApiError> {
    let selection = Selection::Matching(filter);
    let (which, limit) = match button.change() {
        Some(change) => (change.of(), MAX_CHANGED),
        None => (Which::Open, MAX_TOTAL),
    };
    let counting = async move |conn: &mut PgConnection| super::count(conn, &selection, which, limit).await;
    app.read(counting).await
}

#[derive(askama::Template)]
#[template(path = "dead_letter_edit.html")]
struct EditPage {
    frame: Frame,
    id: Uuid,
    queue: String,
    body: String,
    reason: String,
    difference: Vec<DiffLine>,
    problem: Option<String>,
}

/// The form to change a body.
pub async fn edit_form(
    State(app): State<App>,
    frame: Frame,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Response, ApiError> {
    let detail = find(&app, id).await?;
    if !app.may_edit_dead_letters {
        return Err(DeadLetterError::EditingIsOff.into());
    }
    let body = String::from_utf8_lossy(&detail.bytes).into_owned();
    let page = EditPage {
        frame,
        id: detail.letter.id,
        queue: detail.letter.queue,
        body: pretty(&detail.bytes).unwrap_or(body),
        reason: String::new(),
        difference: vec![],
        problem: None,
    };
    Ok(console::page(&page))
}

#[derive(Debug, Deserialize)]
pub struct Rewritten {
    body: String,
    #[serde(default)]
    reason: String,
    /// Whether the difference has been seen.
    #[serde(default)]
    is_confirmed: bool,
}

/// Shows the difference, and at the second time sends the changed copy.
pub async fn edit(
    State(app): State<App>,
    desk: Desk,
    frame: Frame,
    id: Result<Path<Uuid>, PathRejection>,
    Form(form): Form<Rewritten>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let Rewritten { body, reason, is_confirmed } = form;
    let because = Reason::optional(Some(reason.clone()))?;
    let done = match is_confirmed {
        true => desk.edit_dead_letter(id, body.clone(), because).await,
        false => desk.preview_edit(id, &body).await,
    };
    let (difference, problem) = match done {
        Ok(_) if is_confirmed => {
            let to = format!("/ops/dead-letters/{id}");
            return Ok(console::told(&to, "The changed copy is on its way."));
        }
        Ok(preview) => (preview.difference, None),
        Err(ApiError::Unprocessable(problem)) => (vec![], Some(problem)),
        Err(error) => return Err(error),
    };
    let queue = find(&app, Ok(Path(id))).await?.letter.queue;
    Ok(console::page(&EditPage { frame, id, queue, body, reason, difference, problem }))
}

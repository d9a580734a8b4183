//! `/v1/ops/dead-letters`.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::detail::DeadLetterDetail;
use super::edit::Edited;
use super::export::{Export, Format};
use super::request::{AskedLetters, DryRun, ExportParams, Listing, PageParams};
use super::{Change, Changed, MAX_CHANGED, detail};
use crate::domain::reason::{self, Reason};
use crate::http::app::App;
use crate::http::auth;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::views::Problem;
use crate::http::visit::Visit;
use crate::ops::desk::Desk;
use crate::ops::rights::Viewer;
use crate::store::dead_letters::filter::DeadLetterFilter;
use crate::store::dead_letters::lists::{Group, Page, Summary};

/// A page of dead letters.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterList {
    /// At most 100, those that died last first; fewer where what fits is rare among very many.
    pub letters: Vec<Summary>,
    /// The next page begins with `after` = this; absent on the last one.
    pub next: Option<String>,
}

/// Groups of dead letters.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterGroups {
    /// The largest first, at most 200.
    pub groups: Vec<Group>,
}

/// List dead letters
#[utoipa::path(
    get, path = "/v1/ops/dead-letters", tag = "operators", params(DeadLetterFilter, PageParams),
    operation_id = "list_dead_letters",
    responses((status = 200, description = "Those that died last first", body = DeadLetterList))
)]
pub async fn list(
    State(app): State<App>,
    _: Viewer,
    listing: Listing,
) -> Result<Json<DeadLetterList>, ApiError> {
    let Listing { filter, after, .. } = listing;
    // In a transaction, because the list has settings of its own.
    let page = app.write(move |tx| async move { Ok(super::list(tx, &filter, after).await?) }.boxed());
    let Page { letters, next } = page.await?;
    Ok(Json(DeadLetterList { letters, next: next.map(|next| next.to_string()) }))
}

/// Count dead letters by queue, class of error and message type
#[utoipa::path(
    get, path = "/v1/ops/dead-letters/groups", tag = "operators", params(DeadLetterFilter),
    operation_id = "group_dead_letters",
    responses((status = 200, description = "The largest groups first", body = DeadLetterGroups))
)]
pub async fn groups(
    State(app): State<App>,
    _: Viewer,
    listing: Listing,
) -> Result<Json<DeadLetterGroups>, ApiError> {
    let filter = listing.filter;
    let groups = app.write(move |tx| async move { Ok(super::groups(tx, &filter).await?) }.boxed());
    let groups = groups.await?;
    Ok(Json(DeadLetterGroups { groups }))
}

/// Read one dead letter with its story
#[utoipa::path(
    get, path = "/v1/ops/dead-letters/{id}", tag = "operators", params(("id" = Uuid, Path)),
    operation_id = "read_dead_letter",
    responses((status = 200, description = "The dead letter", body = DeadLetterDetail))
)]
pub async fn read(
    State(app): State<App>,
    _: Viewer,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<DeadLetterDetail>, ApiError> {
    Ok(Json(find(&app, id).await?))
}

/// One dead letter for a handler; what is no id names nothing.
pub(super) async fn find(
    app: &App,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<DeadLetterDetail, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    app.read(async |conn| detail::show(conn, id).await).await
}

/// Export dead letters: JSON lines or CSV, as a stream
#[utoipa::path(
    get, path = "/v1/ops/dead-letters/export", tag = "operators", params(DeadLetterFilter, ExportParams),
    operation_id = "export_dead_letters",
    responses(
        (status = 200, description = "All that match", content((String = "application/jsonl"), (String = "text/csv"))),
        (status = 429, description = "Too many streams are open, with this token or in all", body = Problem),
    )
)]
pub async fn export(
    State(app): State<App>,
    _: Viewer,
    visit: Visit,
    listing: Listing,
) -> Result<Response, ApiError> {
    let format = listing.format.unwrap_or(Format::Jsonl);
    let place = app.stays.stream(&visit.whose)?;
    // A database that is away is told with a status code, which is too late once the stream has begun.
    let (first, export) = next_piece(&app, Export::new(listing.filter, format)).await?;
    let rest = stream::unfold(export.map(|export| (app, visit, place, export)), |state| async {
        let (app, mut visit, place, export) = state?;
        let piece = async {
            auth::check(&app, &mut visit).await?;
            next_piece(&app, export).await
        };
        match piece.await {
            Ok((piece, rest)) => Some((Ok(Bytes::from(piece)), rest.map(|rest| (app, visit, place, rest)))),
            // Whoever reads a file that ends in the middle must be told: the connection breaks.
            Err(error) => Some((Err(std::io::Error::other(error.to_string())), None)),
        }
    });
    let first = stream::iter([Ok(Bytes::from(first))]);
    let body = Body::from_stream(first.chain(rest));
    let disposition = format!("attachment; filename=\"{}\"", format.file_name());
    let headers = [(CONTENT_TYPE, format.content_type().to_owned()), (CONTENT_DISPOSITION, disposition)];
    Ok((headers, body).into_response())
}

/// The next piece of an export, and what is left of it.
async fn next_piece(app: &App, mut export: Export) -> Result<(Vec<u8>, Option<Export>), ApiError> {
    app.write(move |tx| {
        async move {
            let piece = export.next(tx).await?;
            let rest = (!export.is_done()).then_some(export);
            Ok((piece, rest))
        }
        .boxed()
    })
    .await
}

/// Discard dead letters, with a reason
#[utoipa::path(
    post, path = "/v1/ops/dead-letters/discard", tag = "operators", request_body = AskedLetters,
    operation_id = "discard_dead_letters",
    responses((status = 200, description = "How many were discarded, or with `dry_run` would be", body = Changed))
)]
pub async fn discard(
    State(app): State<App>,
    desk: Desk,
    body::Json(asked): body::Json<AskedLetters>,
) -> Result<Response, ApiError> {
    change(&app, &desk, asked, Change::Discard).await
}

/// Open discarded dead letters again
#[utoipa::path(
    post, path = "/v1/ops/dead-letters/restore", tag = "operators", request_body = AskedLetters,
    operation_id = "restore_dead_letters",
    responses((status = 200, description = "How many were restored, or with `dry_run` would be", body = Changed))
)]
pub async fn restore(
    State(app): State<App>,
    desk: Desk,
    body::Json(asked): body::Json<AskedLetters>,
) -> Result<Response, ApiError> {
    change(&app, &desk, asked, Change::Restore).await
}

async fn change(app: &App, desk: &Desk, asked: AskedLetters, change: Change) -> Result<Response, ApiError> {
    let selection = asked.selection()?;
    if asked.dry_run {
        let counting = async move |conn: &mut PgConnection| {
            super::count(conn, &selection, change.of(), MAX_CHANGED).await
        };
        let would_change = app.read(counting).await?;
        return Ok(Json(DryRun { would_change }).into_response());
    }
    Ok(Json(desk.change_dead_letters(selection, change, asked.reason).await?).into_response())
}

/// A changed body.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// The whole new body, as text
    pub body: String,
    /// Why
    #[serde(default, deserialize_with = "reason::optional")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub reason: Option<Reason>,
    /// Only say what would change
    #[serde(default)]
    pub dry_run: bool,
}

/// Send a changed copy of a dead letter in its place, if that is switched on
#[utoipa::path(
    post, path = "/v1/ops/dead-letters/{id}/edit", tag = "operators", params(("id" = Uuid, Path)),
    operation_id = "edit_dead_letter", request_body = EditRequest,
    responses((status = 200, description = "What has changed, or with `dry_run` would", body = Edited))
)]
pub async fn edit(
    desk: Desk,
    id: Result<Path<Uuid>, PathRejection>,
    body::Json(request): body::Json<EditRequest>,
) -> Result<Json<Edited>, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let EditRequest { body, reason, dry_run } = request;
    let edited = match dry_run {
        true => desk.preview_edit(id, &body).await?,
        false => desk.edit_dead_letter(id, body, reason).await?,
    };
    Ok(Json(edited))
}

//! `/v1/skus`: what is sold, a page at a time.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::Invalid;
use crate::domain::ids::SkuCode;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::tokens::Caller;
use crate::http::views::SkuList;
use crate::page;
use crate::store::catalogue::lists;
use crate::store::stock::for_buyers;
use crate::store::stock::skus::{self, SkuCriteria};

/// SKUs on one page.
const DEFAULT_PAGE: usize = 50;
/// What no code begins with stands before one that is sealed.
const SEALED: char = '~';

/// Which SKUs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SkuQuery {
    /// The `next` of the page before
    after: Option<String>,
    /// SKUs on the page, 1 to 100
    limit: Option<i64>,
}

/// List SKUs in the order of their codes
///
/// A customer sees those that are not off sale, and whose product, if they have one, is shown. A page of theirs may have fewer
/// SKUs than asked for, or none, and go on all the same.
#[utoipa::path(
    get, path = "/v1/skus", tag = "catalogue", params(SkuQuery),
    responses((status = 200, description = "A page of SKUs", body = SkuList))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<SkuQuery>,
) -> Result<Json<SkuList>, ApiError> {
    let size = page::size(query.limit, DEFAULT_PAGE)?;
    let after = match query.after {
        Some(text) => Some(opened(&app, text).await?),
        None => None,
    };
    if caller.is_buyer() {
        return list_for_buyers(&app, after.as_ref(), size).await;
    }
    let wanted = SkuCriteria { after: after.as_ref().map(SkuCode::as_str), ..SkuCriteria::default() };
    let limit = page::rows_to_read(size);
    let mut rows = app.read(async |conn| skus::read(conn, wanted, limit).await).await?;
    let next = page::cut(&mut rows, size).map(|last| last.definition.code.to_string());
    Ok(Json(SkuList { skus: rows.into_iter().map(Into::into).collect(), next }))
}

/// A page of the SKUs that buyers see. Where it stopped among others, that is sealed.
async fn list_for_buyers(app: &App, after: Option<&SkuCode>, size: usize) -> Result<Json<SkuList>, ApiError> {
    let after = after.map(SkuCode::as_str).unwrap_or_default();
    let (next, rows) = app
        .read(async |conn| {
            let mut look = lists::begin(conn).await?;
            let page = for_buyers::page(&mut look, after, size).await?;
            let rows = skus::for_buyers(&mut look, &page.codes).await?;
            look.rollback().await?;
            Ok::<_, sqlx::Error>((page.next, rows))
        })
        .await?;
    let next = match next {
        Some(code) => Some(format!("{SEALED}{}", app.seal().await?.close(&code))),
        None => None,
    };
    Ok(Json(SkuList { skus: rows.into_iter().map(Into::into).collect(), next }))
}

/// The code behind which a page begins.
async fn opened(app: &App, text: String) -> Result<SkuCode, ApiError> {
    let Some(sealed) = text.strip_prefix(SEALED) else { return Ok(SkuCode::parse(text)?) };
    let code = app.seal().await?.open(sealed).ok_or(Invalid::new("after", "the `next` of a page"))?;
    Ok(SkuCode::parse(code)?)
}

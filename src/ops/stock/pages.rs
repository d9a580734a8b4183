//! `/ops/stock`: the list, one SKU with its holds and movements, and the forms that correct it.

use axum::extract::{Path, State};
use axum::response::Response;
use axum_extra::extract::Form;
use serde::Deserialize;
use uuid::Uuid;

use super::api::{self, MovementQuery, known};
use super::view::{SkuDetail, StockPage};
use super::{MovementsFrom, StockFilter};
use crate::domain::ids::{IdempotencyKey, SkuCode};
use crate::domain::reason::Reason;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::ops::console::{self, Frame, filters};
use crate::ops::desk::Desk;
use crate::ops::orders::pages::time_left;
use crate::store::corrections::Correction;

#[derive(askama::Template)]
#[template(path = "stock.html")]
struct StockListPage {
    frame: Frame,
    filter: StockFilter,
    page: StockPage,
}

#[derive(askama::Template)]
#[template(path = "sku.html")]
struct SkuPage {
    frame: Frame,
    detail: SkuDetail,
    /// The key of the correction that this page may ask for: a form sent twice corrects once.
    key: Uuid,
}

/// The SKUs that the address asks for.
pub async fn list(
    State(app): State<App>,
    frame: Frame,
    Query(filter): Query<StockFilter>,
) -> Result<Response, ApiError> {
    let page = api::find(&app, &filter).await?;
    Ok(console::page(&StockListPage { frame, filter, page }))
}

pub async fn show(
    State(app): State<App>,
    frame: Frame,
    Path(code): Path<String>,
    Query(query): Query<MovementQuery>,
) -> Result<Response, ApiError> {
    let from = MovementsFrom::parse(query.before.as_deref())?;
    let detail = api::find_one(&app, &known(code)?, from).await?;
    Ok(console::page(&SkuPage { frame, detail, key: Uuid::now_v7() }))
}

/// What the form for received units sends.
#[derive(Debug, Deserialize)]
pub struct ReceiveForm {
    units: i64,
    reason: String,
    key: String,
}

pub async fn receive(
    desk: Desk,
    Path(code): Path<String>,
    Form(ReceiveForm { units, reason, key }): Form<ReceiveForm>,
) -> Result<Response, ApiError> {
    correct(&desk, known(code)?, Correction::Receive(units), (reason, key)).await
}

/// What the form for counted units sends.
#[derive(Debug, Deserialize)]
pub struct AdjustForm {
    on_hand: i64,
    reason: String,
    key: String,
}

/// Corrects how many units there are.
pub async fn adjust(
    desk: Desk,
    Path(code): Path<String>,
    Form(AdjustForm { on_hand, reason, key }): Form<AdjustForm>,
) -> Result<Response, ApiError> {
    correct(&desk, known(code)?, Correction::Count(on_hand), (reason, key)).await
}

async fn correct(
    desk: &Desk,
    code: SkuCode,
    correction: Correction,
    (reason, key): (String, String),
) -> Result<Response, ApiError> {
    let (reason, key) = (Reason::parse(reason)?, IdempotencyKey::parse(key)?);
    let on_hand = desk.correct_stock(code.clone(), (key, correction), reason).await?;
    Ok(console::told(&format!("/ops/stock/{code}"), &format!("There are {on_hand} units on hand.")))
}

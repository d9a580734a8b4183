//! What the forms about products do. What is wrong with one is told beside it, and what was typed stays in it.

use axum::extract::{Path, State};
use axum::response::Response;
use axum_extra::extract::Form;
use serde::Deserialize;

use super::form::{ProductForm, SaleForm};
use super::pages::{NewPage, ProductPage, Wrong, known, path};
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::reason::Reason;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::console::{self, Frame};
use crate::ops::desk::Desk;
use crate::store::catalogue::keeping::Done;

/// Makes a product.
pub async fn make(
    State(app): State<App>,
    desk: Desk,
    frame: Frame,
    Form(form): Form<ProductForm>,
) -> Result<Response, ApiError> {
    let zone = app.time_zone;
    let checked = ProductCode::parse(form.product.trim())
        .and_then(|code| form.product(None, zone).map(|_| code))
        .and_then(|code| Ok((code, Reason::parse(&*form.reason)?)));
    let wrong = match checked {
        Err(invalid) => invalid.into(),
        Ok((code, reason)) => match desk.make_product(code.clone(), form.clone(), reason).await {
            Ok(_) => return Ok(console::told(&path(code.as_str()), "The product is made.")),
            Err(error) => Wrong::try_from(error)?,
        },
    };
    let status = wrong.status;
    let mut response = console::page(&NewPage { frame, zone, form, wrong: Some(wrong) });
    *response.status_mut() = status;
    Ok(response)
}

/// Where a form was sent from, once its act is done.
fn told(code: &ProductCode, done: Done, what: &str) -> Response {
    let what = if done == Done::Stays { "Nothing is changed: it is so already." } else { what };
    console::told(&path(code.as_str()), what)
}

/// Changes all of a product.
pub async fn change(
    State(app): State<App>,
    desk: Desk,
    frame: Frame,
    Path(code): Path<String>,
    Form(form): Form<ProductForm>,
) -> Result<Response, ApiError> {
    let code = known(&code)?;
    let checked = form.product(None, app.time_zone).and_then(|_| Reason::parse(&*form.reason));
    let wrong = match checked {
        Err(invalid) => invalid.into(),
        Ok(reason) => match desk.change_product(code.clone(), form.clone(), reason).await {
            Ok(done) => return Ok(told(&code, done, "The product is changed.")),
            Err(error) => Wrong::try_from(error)?,
        },
    };
    Ok(ProductPage::load(&app, frame, &code).await?.keeping(form, wrong))
}

/// Changes when a product is sold.
pub async fn set_sale(
    State(app): State<App>,
    desk: Desk,
    frame: Frame,
    Path(code): Path<String>,
    Form(form): Form<SaleForm>,
) -> Result<Response, ApiError> {
    let code = known(&code)?;
    let wrong = match form.check(app.time_zone).and_then(|()| Reason::parse(&*form.reason)) {
        Err(invalid) => invalid.into(),
        Ok(reason) => match desk.set_sale(code.clone(), form.clone(), reason).await {
            Ok(done) => return Ok(told(&code, done, "The sale is changed, and that of its SKUs.")),
            Err(error) => Wrong::try_from(error)?,
        },
    };
    Ok(ProductPage::load(&app, frame, &code).await?.keeping_sale(form, wrong))
}

/// What the forms send that archive a product and bring it back.
#[derive(Debug, Deserialize)]
pub struct ShelfForm {
    version: i64,
    reason: String,
}

/// Takes a product off for good.
pub async fn archive(
    State(app): State<App>,
    desk: Desk,
    frame: Frame,
    Path(code): Path<String>,
    Form(ShelfForm { version, reason }): Form<ShelfForm>,
) -> Result<Response, ApiError> {
    let code = known(&code)?;
    let wrong = match Reason::parse(&*reason) {
        Err(invalid) => invalid.into(),
        Ok(why) => match desk.archive_product(code.clone(), version, why).await {
            Ok(done) => return Ok(told(&code, done, "The product is archived.")),
            Err(error) => Wrong::try_from(error)?,
        },
    };
    Ok(ProductPage::load(&app, frame, &code).await?.keeping_reason(reason, wrong))
}

/// Brings an archived product back.
pub async fn bring_back(
    State(app): State<App>,
    desk: Desk,
    frame: Frame,
    Path(code): Path<String>,
    Form(ShelfForm { version, reason }): Form<ShelfForm>,
) -> Result<Response, ApiError> {
    let code = known(&code)?;
    let wrong = match Reason::parse(&*reason) {
        Err(invalid) => invalid.into(),
        Ok(why) => match desk.bring_product_back(code.clone(), version, why).await {
            Ok(done) => return Ok(told(&code, done, "The product is back.")),
            Err(error) => Wrong::try_from(error)?,
        },
    };
    Ok(ProductPage::load(&app, frame, &code).await?.keeping_reason(reason, wrong))
}

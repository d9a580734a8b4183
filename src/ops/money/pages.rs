//! `/ops/money`.

use axum::extract::State;
use axum::response::Response;

use super::{MoneyView, api};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::console::{self, Frame, filters};

#[derive(askama::Template)]
#[template(path = "money.html")]
struct MoneyPage {
    frame: Frame,
    money: MoneyView,
}

/// What is not settled. An order's own page has the buttons that settle it.
pub async fn show(State(app): State<App>, frame: Frame) -> Result<Response, ApiError> {
    let money = api::find(&app).await?;
    Ok(console::page(&MoneyPage { frame, money }))
}

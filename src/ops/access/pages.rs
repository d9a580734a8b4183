//! `/ops/tokens`, for admins.

use axum::Form;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::{LISTED, TokenRequest};
use crate::domain::ids::CustomerId;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::ops::console::{self, Frame, filters};
use crate::ops::desk::Desk;
use crate::ops::rights::Admin;
use crate::store::operators::tokens::{self, ListedToken, Role};

#[derive(askama::Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<ListedToken>,
    /// A token that was just made, by its name.
    made: Option<(String, String)>,
}

/// What the form for a new token sends.
#[derive(Debug, Deserialize)]
pub struct TokenForm {
    name: String,
    role: Role,
    customer_id: String,
}

/// Which token to revoke.
#[derive(Debug, Deserialize)]
pub struct RevokeForm {
    name: String,
}

pub async fn list(State(app): State<App>, _: Admin, frame: Frame) -> Result<Response, ApiError> {
    draw(&app, frame, None).await
}

/// Makes a token; the page shows it this once.
pub async fn create(
    State(app): State<App>,
    Admin(actor): Admin,
    frame: Frame,
    Form(TokenForm { name, role, customer_id }): Form<TokenForm>,
) -> Result<Response, ApiError> {
    let customer = Some(customer_id).filter(|id| !id.is_empty()).map(CustomerId::parse).transpose()?;
    let wanted = TokenRequest { name: name.clone(), role, customer, replace: false };
    let token = Desk::of(app.clone(), actor).create_token(wanted).await?;
    draw(&app, frame, Some((name, token))).await
}

pub async fn revoke(
    State(app): State<App>,
    Admin(actor): Admin,
    Form(RevokeForm { name }): Form<RevokeForm>,
) -> Result<Response, ApiError> {
    let sentence = format!("The token {name} is revoked; a process may take it for another minute.");
    Desk::of(app, actor).revoke_token(name).await?;
    Ok(console::told("/ops/tokens", &sentence))
}

async fn draw(app: &App, frame: Frame, made: Option<(String, String)>) -> Result<Response, ApiError> {
    let tokens = app.read(async |conn| tokens::list(conn, false, LISTED).await).await?;
    Ok(console::page(&TokensPage { frame, tokens, made }))
}

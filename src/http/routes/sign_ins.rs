//! `/v1/sign-ins`: be mailed a link by which one signs in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, response::IntoResponse as _, response::Response};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::carts::NO_STORE;
use crate::domain::contact::EmailAddress;
use crate::domain::shop_path::ShopPath;
use crate::effects::sign_in::Language;
use crate::http::app::App;
use crate::http::body;
use crate::http::browsing::Anyone;
use crate::http::error::ApiError;
use crate::http::sign_ins::AskedLink;
use crate::http::views::Problem;
use crate::store::orders::transaction_time;

/// Whom to mail a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskForLink {
    /// Where the link goes; capital letters are taken for small ones.
    #[schema(max_length = 254)]
    email: String,
    /// In which the mail is written; `ko` when absent.
    language: Option<Language>,
    /// Where to go on in the shop: told again when the link is used.
    #[schema(pattern = "^/shop", max_length = 600)]
    next: Option<String>,
}

impl AskForLink {
    fn parse(self) -> Result<AskedLink, ApiError> {
        Ok(AskedLink {
            email: EmailAddress::parse(self.email.to_ascii_lowercase())?,
            language: self.language.unwrap_or_default(),
            next: self.next.map(ShopPath::parse).transpose()?,
        })
    }
}

/// Be mailed a link to sign in
///
/// It is good for 15 minutes, once. The answer is the same whether or not anybody is known by that address. Three links may go to
/// one address within 15 minutes.
#[utoipa::path(
    post, path = "/v1/sign-ins", tag = "sign-in", security(()), request_body = AskForLink,
    responses(
        (status = 202, description = "The mail server has it", body = Object),
        (status = 429, description = "Too many links were asked for, to that address, from here or in all", body = Problem),
        (status = 503, description = "Mail is not set up, or cannot be sent now", body = Problem),
    )
)]
pub async fn ask(
    State(app): State<App>,
    anyone: Anyone,
    body::Json(request): body::Json<AskForLink>,
) -> Result<Response, ApiError> {
    let asked = request.parse()?;
    app.sign_ins.can_mail()?;
    app.rates.links().ask(anyone.stranger(), &asked.email)?;
    mail(&app, &anyone, &asked).await.inspect_err(|_| app.rates.links().take_back(&asked.email))?;
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(json!({}))).into_response())
}

async fn mail(app: &App, anyone: &Anyone, asked: &AskedLink) -> Result<(), ApiError> {
    let turn = anyone.turn(app).await?;
    let now = app.read(transaction_time).await?;
    // A mail server that is slow keeps no stranger from the database.
    drop(turn);
    app.sign_ins.mail(asked, now).await
}

//! `/v1/ops/tokens`, for admins.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{LISTED, TokenRequest};
use crate::domain::ids::CustomerId;
use crate::http::app::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::ops::desk::Desk;
use crate::ops::rights::Admin;
use crate::store::operators::tokens::{self, ListedToken, Role};

/// Tokens, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenList {
    tokens: Vec<ListedToken>,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What people call it; one live token per name.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What it may do.
    role: Role,
    /// The one customer of a customer's token.
    customer_id: Option<String>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedToken {
    name: String,
    role: Role,
    /// The token itself, shown this once.
    token: String,
}

/// Live tokens
#[utoipa::path(get, path = "/v1/ops/tokens", tag = "operators",
    responses((status = 200, description = "The live tokens, without the tokens themselves", body = TokenList)))]
pub async fn list(State(app): State<App>, _: Admin) -> Result<Json<TokenList>, ApiError> {
    let tokens = app.read(async |conn| tokens::list(conn, false, LISTED).await).await?;
    Ok(Json(TokenList { tokens }))
}

/// Make a token
#[utoipa::path(post, path = "/v1/ops/tokens", tag = "operators", request_body = CreateToken,
    responses((status = 201, description = "Made", body = CreatedToken)))]
pub async fn create(
    State(app): State<App>,
    Admin(actor): Admin,
    body::Json(CreateToken { name, role, customer_id }): body::Json<CreateToken>,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    let customer = customer_id.map(CustomerId::parse).transpose()?;
    let wanted = TokenRequest { name: name.clone(), role, customer, replace: false };
    let token = Desk::of(app, actor).create_token(wanted).await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { name, role, token })))
}

/// Revoke a token
#[utoipa::path(post, path = "/v1/ops/tokens/{name}/revoke", tag = "operators",
    params(("name" = String, Path, description = "What people call it")),
    responses((status = 204, description = "Revoked; a process may take it for another minute")))]
pub async fn revoke(
    State(app): State<App>,
    Admin(actor): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    Desk::of(app, actor).revoke_token(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

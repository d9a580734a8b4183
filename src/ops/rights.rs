//! Who may do what: a viewer reads, an operator acts, an admin makes tokens; each may also do what comes before.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::store::tokens::Role;

/// Whoever does something, by the name of their token or, on the command line, by their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// As the audit log shows it.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// Somebody who may read what operators read.
#[derive(Debug, Clone)]
pub struct Viewer(pub Actor);

/// Somebody who may act.
#[derive(Debug, Clone)]
pub struct Operator(pub Actor);

/// Somebody who may make tokens.
#[derive(Debug, Clone)]
pub struct Admin(pub Actor);

impl FromRequestParts<App> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let may = |role| matches!(role, Role::Viewer | Role::Operator | Role::Admin);
        actor(parts, app, may, "this is for viewers, operators and admins").await.map(Self)
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let may = |role| matches!(role, Role::Operator | Role::Admin);
        actor(parts, app, may, "this is for operators and admins").await.map(Self)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        actor(parts, app, |role| role == Role::Admin, "this is for admins").await.map(Self)
    }
}

async fn actor(
    parts: &mut Parts,
    app: &App,
    may: impl Fn(Role) -> bool,
    otherwise: &'static str,
) -> Result<Actor, ApiError> {
    let Caller { name, role, .. } = Caller::from_request_parts(parts, app).await?;
    if may(role) { Ok(Actor { name, role }) } else { Err(ApiError::Forbidden(otherwise)) }
}

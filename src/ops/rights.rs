//! Who may do what: a viewer reads, an operator acts, an admin makes tokens; each may also do what comes before. The
//! [`guard`] stands before every route of operators, so that a new one is closed until somebody opens it.

pub mod session;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use crate::http::address::CallerAddress;
use crate::http::app::App;
use crate::http::auth::count_command;
use crate::http::error::ApiError;
use crate::http::places_to_stay::Whose;
use crate::http::rates::Shown;
use crate::http::tokens::Caller;
use crate::http::visit::{Credential, Visit};
use crate::peers::origin::is_own_page;
use crate::store::operators::tokens::Role;

/// The answer to a form on another site that would use the operator's session (cross-site request forgery).
const FOREIGN_PAGE: ApiError = ApiError::Forbidden("the request does not come from a page of this console");

/// Whoever does something, by the name of their token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// As the audit log shows it.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

impl Actor {
    /// Whether they may act, not only read.
    pub fn may_act(&self) -> bool {
        matches!(self.role, Role::Operator | Role::Admin)
    }

    /// Whether they may make tokens.
    pub fn may_make_tokens(&self) -> bool {
        self.role == Role::Admin
    }

    fn may_read(&self) -> bool {
        matches!(self.role, Role::Viewer | Role::Operator | Role::Admin)
    }
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

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        allowed(parts, Actor::may_read, "this is for viewers, operators and admins").map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        allowed(parts, Actor::may_act, "this is for operators and admins").map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        allowed(parts, Actor::may_make_tokens, "this is for admins").map(Self)
    }
}

/// The actor whom the guard let in, if they may. A route without the guard knows no actor and lets nobody in.
fn allowed(parts: &Parts, may: impl Fn(&Actor) -> bool, otherwise: &'static str) -> Result<Actor, ApiError> {
    let actor = parts.extensions.get::<Actor>().ok_or(ApiError::Unauthenticated)?;
    if may(actor) { Ok(actor.clone()) } else { Err(ApiError::Forbidden(otherwise)) }
}

/// Lets in whoever has rights of an operator's console: to read with any of them, to change something only with an
/// operator's, and with a cookie only from a page of our own.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let by_token = parts.headers.contains_key(AUTHORIZATION);
    let (name, role) = if by_token {
        let caller = Caller::from_request_parts(&mut parts, &app).await?;
        (caller.name, caller.role)
    } else {
        let hash = session::secret_hash(&app, &parts.headers).ok_or(ApiError::Unauthenticated)?;
        let Ok(from) = CallerAddress::from_request_parts(&mut parts, &app).await;
        let found = session::find(&app, Shown::Session, from, hash).await?;
        let (token, good_at) = found.ok_or(ApiError::Unauthenticated)?;
        let credential = Credential::Session { secret: hash, good_at };
        parts.extensions.insert(Visit { whose: Whose::of_token(&token.name), credential });
        (token.name, token.role)
    };
    let actor = Actor { name, role };
    if !actor.may_read() {
        return Err(ApiError::Forbidden("this is for viewers, operators and admins"));
    }
    if !parts.method.is_safe() {
        if !actor.may_act() {
            return Err(ApiError::Forbidden("a viewer changes nothing"));
        }
        if !by_token {
            if !is_own_page(&parts.headers) {
                return Err(FOREIGN_PAGE);
            }
            count_command(&app, &parts, &actor.name)?;
        }
    }
    parts.extensions.insert(actor);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// A request that one of our own pages sends: known by its headers, before anything of its body is read.
#[derive(Debug, Clone, Copy)]
pub struct OwnPage;

impl<S: Send + Sync> FromRequestParts<S> for OwnPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        if is_own_page(&parts.headers) { Ok(Self) } else { Err(FOREIGN_PAGE) }
    }
}

//! Tokens: made once, shown once, revoked by name; all of it in the audit log.

pub mod api;
pub mod pages;

use serde_json::json;
use sqlx::PgConnection;

use crate::domain::ids::CustomerId;
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};
use crate::store::operators::tokens::{self, NewToken, Role};

/// Tokens on the one page that lists them.
pub const LISTED: i64 = 1_000;
const MAX_NAME_CHARS: usize = 64;

/// Why a token is not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No name that people and logs could use.
    #[error("a token's name must be 1 to 64 characters without control characters")]
    BadName,
    /// A customer's token acts for one customer, and others for none.
    #[error("a customer goes with the role customer and with no other")]
    CustomerAndRole,
    /// The name is taken.
    #[error("a live token is called {0} already")]
    NameTaken(String),
    #[error("no live token is called {0}")]
    NoSuchToken(String),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A token to make.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// What people call it; one live token per name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The one customer of a customer's token.
    pub customer: Option<CustomerId>,
    /// Whether the live token of this name is revoked first.
    pub replace: bool,
}

/// Makes a token and returns it, this once.
pub async fn create(
    conn: &mut PgConnection,
    actor: &str,
    wanted: &TokenRequest,
) -> Result<String, AccessError> {
    let TokenRequest { name, role, customer, replace } = wanted;
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(AccessError::BadName);
    }
    if (*role == Role::Customer) != customer.is_some() {
        return Err(AccessError::CustomerAndRole);
    }
    if *replace && tokens::revoke(conn, name).await? > 0 {
        write_down(conn, actor, Act::TokenRevoke, name, None).await?;
    }
    let token = tokens::new_token();
    let hash = tokens::hash(&token);
    let new = NewToken { name, role: *role, customer: customer.as_ref(), hash: &hash };
    match tokens::insert(conn, new).await {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return Err(AccessError::NameTaken(name.clone()));
        }
        inserted => inserted?,
    }
    let after = json!({"role": role, "customer_id": customer.as_ref().map(CustomerId::as_str)});
    write_down(conn, actor, Act::TokenCreate, name, Some(after)).await?;
    Ok(token)
}

/// Revokes the live token of this name. Every process may take it for another minute.
pub async fn revoke(conn: &mut PgConnection, actor: &str, name: &str) -> Result<(), AccessError> {
    // PostgreSQL takes no NUL, and no token has one in its name.
    if name.contains('\0') || tokens::revoke(conn, name).await? == 0 {
        return Err(AccessError::NoSuchToken(name.to_owned()));
    }
    Ok(write_down(conn, actor, Act::TokenRevoke, name, None).await?)
}

async fn write_down(
    conn: &mut PgConnection,
    actor: &str,
    act: Act,
    name: &str,
    after: Option<serde_json::Value>,
) -> sqlx::Result<()> {
    let subject = ("token", name.to_owned());
    let action = NewAction { actor, act, subject, before: None, after, reason: None };
    operators::actions::append(conn, &[action]).await
}

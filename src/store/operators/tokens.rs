//! Bearer tokens, known by their hash only.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::CustomerId;

/// What a token may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    sqlx::Type,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[sqlx(type_name = "token_role", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A back end that acts for its customers.
    Shop,
    /// One customer.
    Customer,
    /// Reads.
    Viewer,
    /// Repairs.
    Operator,
    /// Makes tokens.
    Admin,
}

impl Role {
    /// As it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Customer => "customer",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// A token to store.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// What people call it; one live token per name.
    pub name: &'a str,
    /// What it may do.
    pub role: Role,
    /// The one customer of a customer's token.
    pub customer: Option<&'a CustomerId>,
    /// SHA-256 of the token.
    pub hash: &'a [u8],
}

/// Revokes the live token of this name, if there is one.
pub async fn revoke(conn: &mut PgConnection, name: &str) -> sqlx::Result<u64> {
    let done =
        sqlx::query!("UPDATE tokens SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL", name)
            .execute(conn)
            .await?;
    Ok(done.rows_affected())
}

pub async fn insert(conn: &mut PgConnection, token: NewToken<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO tokens (id, name, role, customer_id, token_hash) VALUES ($1, $2, $3, $4, $5)",
        Uuid::now_v7(),
        token.name,
        token.role as Role,
        token.customer.map(CustomerId::as_str),
        token.hash,
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(Debug, Clone)]
pub struct Token {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The one customer of a customer's token.
    pub customer_id: Option<String>,
}

/// The live token with this hash: one that somebody made, or that of a customer's session, which ends by itself. All sessions of
/// a customer are called the same, and share what one token may ask for.
pub async fn find(conn: &mut PgConnection, hash: &[u8]) -> sqlx::Result<Option<Token>> {
    sqlx::query_as!(
        Token,
        r#"SELECT name AS "name!", role AS "role!: Role", customer_id FROM tokens
            WHERE token_hash = $1 AND revoked_at IS NULL
           UNION ALL
           SELECT 'session of ' || customer_id, 'customer', customer_id FROM customer_sessions
            WHERE secret_hash = $1 AND expires_at > now()"#,
        hash,
    )
    .fetch_optional(conn)
    .await
}

/// Whether there is or was a token with this hash.
pub async fn is_known(conn: &mut PgConnection, hash: &[u8]) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM tokens WHERE token_hash = $1) AS "known!""#, hash)
        .fetch_one(conn)
        .await
}

/// A token as it is listed: everything but the token.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ListedToken {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The one customer of a customer's token.
    pub customer_id: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Tokens, the newest first; revoked ones only on request.
pub async fn list(conn: &mut PgConnection, revoked: bool, limit: i64) -> sqlx::Result<Vec<ListedToken>> {
    sqlx::query_as!(
        ListedToken,
        r#"SELECT name, role AS "role: Role", customer_id, created_at, revoked_at FROM tokens
            WHERE $1 OR revoked_at IS NULL ORDER BY created_at DESC, id LIMIT $2"#,
        revoked,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// SHA-256 of a token: what the database stores.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A new token of 244 random bits.
pub fn new_token() -> String {
    format!("hf_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

//! Whoever looks around: somebody with a token, or a stranger, who is counted by their address.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::address::CallerAddress;
use super::app::App;
use super::error::ApiError;
use super::rates::Turn;
use super::tokens::Caller;

/// Caches on the way may show all strangers the same.
const FOR_STRANGERS: &str = "public, max-age=5";
/// Buyers may see what others saw this long ago; whoever keeps the catalogue never.
const FOR_BUYERS: &str = "private, max-age=5";
const FOR_SHOPS: &str = "private, no-cache";

/// Anyone at all. A token that is none is refused all the same.
#[derive(Debug, Clone)]
pub enum Anyone {
    Known(Caller),
    /// Whence somebody calls who shows no token.
    Stranger(IpAddr),
}

impl FromRequestParts<App> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if parts.headers.contains_key(AUTHORIZATION) {
            return Caller::from_request_parts(parts, app).await.map(Self::Known);
        }
        let Ok(CallerAddress(from)) = CallerAddress::from_request_parts(parts, app).await;
        app.rates.guests().call(from)?;
        Ok(Self::Stranger(from))
    }
}

impl Anyone {
    /// Waits for a stranger's turn to use the database. Wait for it once the request is read.
    pub async fn turn(&self, app: &App) -> Result<Option<Turn>, ApiError> {
        match self.stranger() {
            Some(from) => app.rates.guests().turn(&app.guest_turns, from).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whence a stranger calls.
    pub fn stranger(&self) -> Option<IpAddr> {
        match self {
            Self::Known(_) => None,
            Self::Stranger(from) => Some(*from),
        }
    }

    /// Whether they see only what is for buyers.
    pub fn is_buyer(&self) -> bool {
        match self {
            Self::Known(caller) => caller.is_buyer(),
            Self::Stranger(_) => true,
        }
    }

    /// How long an answer about the catalogue is good for them.
    pub fn cache_control(&self) -> &'static str {
        match self {
            Self::Stranger(_) => FOR_STRANGERS,
            Self::Known(_) if self.is_buyer() => FOR_BUYERS,
            Self::Known(_) => FOR_SHOPS,
        }
    }
}

//! Callers who stay, to wait for an outcome or to follow what happens: whose share of the places they take, and by what they
//! were let in.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::time::Instant;

use super::error::ApiError;
use super::places_to_stay::{StayPlace, Stays, Whose};

/// What let somebody in, by its hash.
#[derive(Debug, Clone, Copy)]
pub enum Credential {
    Token([u8; 32]),
    /// A session of the console.
    Session {
        /// By the hash of its cookie.
        secret: [u8; 32],
        /// When the look-up began that found it good. That of a token is remembered for all who have it.
        good_at: Instant,
    },
}

/// A caller, for as long as they stay.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Whose share of the places they take.
    pub whose: Whose,
    /// By what they were let in.
    pub credential: Credential,
}

/// Whoever was let in: by the extractor that says who calls, which comes before this one among a handler's arguments, or by
/// the guard of operators' routes.
impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or(ApiError::Unauthenticated)
    }
}

/// Somebody who waits, and their place.
pub struct Stay {
    pub patience: Duration,
    pub visit: Visit,
    _place: StayPlace,
}

impl Stay {
    /// Begins, if there is a place.
    pub fn begin(stays: &Stays, visit: Visit, patience: Duration) -> Result<Self, ApiError> {
        let place = stays.wait(&visit.whose)?;
        Ok(Self { patience, visit, _place: place })
    }
}

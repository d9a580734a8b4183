//! Bearer tokens that were seen, and who presented them.

use std::time::Duration;

use moka::sync::Cache;

use crate::config::DEFAULT_TOKEN_REMEMBERED_SECONDS;
use crate::domain::ids::CustomerId;
use crate::store::operators::tokens::Role;

/// A token seen before is taken for this long without asking, so that orders are accepted while the database is away.
const REMEMBERED_FOR: Duration = Duration::from_secs(DEFAULT_TOKEN_REMEMBERED_SECONDS as u64);
const REMEMBERED_TOKENS: u64 = 100_000;

/// Tokens seen lately.
#[derive(Clone)]
pub struct Tokens {
    pub(super) seen: Cache<[u8; 32], Caller>,
    /// For how long whoever was let in is not asked about again.
    pub(super) remembered_for: Duration,
}

impl Tokens {
    /// None seen yet; each is remembered for so long.
    pub fn remembered_for(remembered_for: Duration) -> Self {
        let seen = Cache::builder().max_capacity(REMEMBERED_TOKENS).time_to_live(remembered_for).build();
        Self { seen, remembered_for }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::remembered_for(REMEMBERED_FOR)
    }
}

/// Whoever presented a valid token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What people call the token.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The one customer of a customer's token.
    pub(super) customer: Option<CustomerId>,
    /// SHA-256 of the token.
    pub(super) token: [u8; 32],
}

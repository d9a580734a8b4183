//! Bearer tokens that were seen, and who presented them.

use std::time::Duration;

use moka::sync::Cache;

use crate::domain::ids::CustomerId;
use crate::store::operators::tokens::Role;

/// A token seen before is taken for this long without asking, so that orders are accepted while the database is away.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
const REMEMBERED_TOKENS: u64 = 100_000;

/// Tokens seen within the last minute.
#[derive(Clone)]
pub struct Tokens {
    pub(super) seen: Cache<[u8; 32], Caller>,
}

impl Default for Tokens {
    fn default() -> Self {
        let seen = Cache::builder().max_capacity(REMEMBERED_TOKENS).time_to_live(REMEMBERED_FOR).build();
        Self { seen }
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
}

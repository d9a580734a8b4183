//! Bearer tokens that were seen, and who presented them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use moka::sync::Cache;
use tokio::time::Instant;

use super::error::ApiError;
use super::under_way::UnderWay;
use crate::config::DEFAULT_TOKEN_REMEMBERED_SECONDS;
use crate::domain::ids::CustomerId;
use crate::store::operators::tokens::Role;

/// A token seen before is taken for this long without asking, so that orders are accepted while the database is away.
const REMEMBERED_FOR: Duration = Duration::from_secs(DEFAULT_TOKEN_REMEMBERED_SECONDS as u64);
const REMEMBERED_TOKENS: u64 = 100_000;

type Hash = [u8; 32];
type LookUp = UnderWay<Result<Option<Caller>, ApiError>>;

#[derive(Clone)]
pub struct Tokens {
    /// With the moment at which their look-up began: what was revoked before it was seen.
    seen: Cache<Hash, (Instant, Caller)>,
    /// For how long whoever was let in is not asked about again.
    pub(super) remembered_for: Duration,
    /// Look-ups that go on in one pool of connections.
    under_way: Cache<Hash, Arc<LookUp>>,
}

impl Tokens {
    /// None seen yet; each is remembered for so long.
    pub fn remembered_for(remembered_for: Duration) -> Self {
        let seen = Cache::builder().max_capacity(REMEMBERED_TOKENS).time_to_live(remembered_for).build();
        Self { seen, remembered_for, under_way: look_ups() }
    }

    /// The same for those who look up on other connections, and are not to wait for these.
    pub(super) fn beside(&self) -> Self {
        Self { under_way: look_ups(), ..self.clone() }
    }

    /// Who presented this token lately.
    pub(super) fn seen(&self, hash: &Hash) -> Option<Caller> {
        let (asked, caller) = self.seen.get(hash)?;
        (asked.elapsed() < self.remembered_for).then_some(caller)
    }

    /// Asks about this token again, at its next use.
    pub(super) fn forget(&self, hash: &Hash) {
        self.seen.invalidate(hash);
    }

    /// Whose token this is, by memory or by a look-up, of which there is one at a time.
    pub(super) async fn find<F>(
        &self,
        hash: Hash,
        look_up: impl FnOnce() -> F,
    ) -> Result<Option<Caller>, ApiError>
    where
        F: Future<Output = Result<Option<Caller>, ApiError>> + Send + 'static,
    {
        if let Some(caller) = self.seen(&hash) {
            return Ok(Some(caller));
        }
        let begin = || {
            let (seen, asked, look_up) = (self.seen.clone(), Instant::now(), look_up());
            async move {
                let found = look_up.await?;
                match &found {
                    Some(caller) => seen.insert(hash, (asked, caller.clone())),
                    None => seen.invalidate(&hash),
                }
                Ok(found)
            }
            .boxed()
        };
        self.under_way.get_with(hash, Arc::default).join(begin).await
    }
}

fn look_ups() -> Cache<Hash, Arc<LookUp>> {
    Cache::builder().max_capacity(REMEMBERED_TOKENS).time_to_idle(REMEMBERED_FOR).build()
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
    pub(super) token: Hash,
}

impl Caller {
    /// Whether they see only what is for buyers.
    pub fn is_buyer(&self) -> bool {
        self.role == Role::Customer
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const TOKEN: Hash = [1; 32];

    fn olga() -> Caller {
        Caller { name: "olga".to_owned(), role: Role::Operator, customer: None, token: TOKEN }
    }

    #[tokio::test]
    async fn a_token_is_remembered_from_the_moment_its_look_up_began() {
        let tokens = Tokens::remembered_for(Duration::from_millis(100));
        let slow = async {
            sleep(Duration::from_millis(200)).await;
            Ok(Some(olga()))
        };
        assert!(tokens.find(TOKEN, || slow).await.unwrap().is_some());
        // It may have been revoked while it was looked up.
        assert!(tokens.seen(&TOKEN).is_none());
        assert!(tokens.find(TOKEN, || ready(Ok(None))).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn who_looks_up_on_other_connections_waits_for_nobody_and_shares_the_memory() {
        let tokens = Tokens::default();
        let beside = tokens.beside();
        let mut stuck = tokens.find(TOKEN, pending).boxed();
        assert!((&mut stuck).now_or_never().is_none());
        assert!(beside.find(TOKEN, || ready(Ok(Some(olga())))).await.unwrap().is_some());
        assert!(tokens.seen(&TOKEN).is_some());
        assert!(beside.find(TOKEN, || ready(Ok(None))).await.unwrap().is_some());
    }
}

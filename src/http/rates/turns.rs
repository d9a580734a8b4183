//! Turns of strangers: their look-ups go on a few at once in each pool of connections, so that a pool where they are slow keeps
//! nobody out of the others. Half of a pool is for those who show a token that may be unknown, a quarter for guests, who show none:
//! neither waits for the other, and the rest is left to those who are known.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bucket::MAX_BUCKETS;
use crate::peers::network::{site, who};

/// More at once would not let strangers in faster.
pub(super) const MOST: usize = 8;
/// Nobody waits for a turn and has it for as long.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The turns in one pool.
#[derive(Clone)]
pub struct Turns(Arc<Kept>);

struct Kept {
    in_all: Arc<Semaphore>,
    /// Turns of one address, of IPv6 of one site: whose look-ups all run out of time keeps the others' turns free.
    each: usize,
    by_address: Cache<IpAddr, Arc<Semaphore>>,
}

/// A turn, until it is dropped.
pub struct Turn {
    _theirs: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    /// Turns on these connections of those who show something.
    pub fn on(pool: &PgPool) -> Self {
        Self::of(pool.options().get_max_connections() as usize / 2)
    }

    /// Turns on these connections of guests.
    pub fn of_guests_on(pool: &PgPool) -> Self {
        Self::of(pool.options().get_max_connections() as usize / 4)
    }

    pub(super) fn of(turns: usize) -> Self {
        let turns = turns.clamp(2, MOST);
        let by_address = Cache::builder().max_capacity(MAX_BUCKETS).time_to_idle(KEPT_FOR).build();
        Self(Arc::new(Kept { in_all: Arc::new(Semaphore::new(turns)), each: turns / 2, by_address }))
    }

    /// Waits for a turn of somebody from there.
    pub(super) async fn take(&self, from: IpAddr) -> Turn {
        let Kept { in_all, each, by_address } = &*self.0;
        let from = site(from).unwrap_or_else(|| who(from));
        let theirs = by_address.get_with(from, || Arc::new(Semaphore::new(*each)));
        let theirs = theirs.acquire_owned().await.expect("nobody closes it");
        let of_all = in_all.clone().acquire_owned().await.expect("nobody closes it");
        Turn { _theirs: theirs, _of_all: of_all }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_address_has_half_of_the_turns_and_waits_for_its_own() {
        let turns = Turns::of(4);
        let try_take = |from: &str| turns.take(from.parse().unwrap()).now_or_never();
        let mine = [try_take("192.0.2.1").unwrap(), try_take("192.0.2.1").unwrap()];
        assert!(try_take("192.0.2.1").is_none());
        let _one = try_take("2001:db8:1:2::1").unwrap();
        let _other = try_take("2001:db8:1:3::1").unwrap();
        assert!(try_take("192.0.2.2").is_none());
        drop(mine);
        assert!(try_take("2001:db8:1:4::1").is_none(), "a site is one address");
        assert!(try_take("192.0.2.2").is_some());
    }
}

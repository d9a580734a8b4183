//! Tokens, sessions and sign-ins that nobody knows: how many of them are looked up. A stranger who tries one after the other
//! is told to wait, the same one again and again costs no look-up, and who was known lately is looked up whatever strangers do.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use metrics::counter;
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::bucket::{Bucket, Buckets};
use super::told::Told;
use crate::http::error::{ApiError, Excess};
use crate::peers::network::who;

/// What was not found is taken for unknown for this long without asking.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// What was found is looked up again without a permit for this long.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);
/// How many of each are remembered.
const REMEMBERED: u64 = 100_000;
/// Look-ups of strangers that go on at once. Others wait for their turn, so that good ones are not refused for permits that
/// come back in a moment, and that strangers leave connections of the database to others.
const TURNS: u32 = 4;
/// A caller hears "unavailable" within three seconds, however many wait.
const LIMIT: Duration = Duration::from_millis(2_500);
/// Look-ups in vain from all addresses together, a second and at once.
const IN_ALL_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).expect("it is not zero");
const IN_ALL_AT_ONCE: NonZeroU32 = NonZeroU32::new(200).expect("it is not zero");

/// What somebody shows to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shown {
    /// A bearer token.
    Token,
    /// A token in the sign-in form.
    SignIn,
    /// The cookie of a session.
    Session,
}

impl Shown {
    /// As metrics show it.
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::SignIn => "sign_in",
            Self::Session => "session",
        }
    }

    /// Among what it is looked up: tokens are tokens wherever they are shown.
    fn key(self, hash: &[u8; 32]) -> (bool, [u8; 32]) {
        (self == Self::Session, *hash)
    }
}

/// Who is known and who is not, by the hash of what they show.
pub struct Strangers {
    known: Cache<(bool, [u8; 32]), ()>,
    unknown: Cache<(bool, [u8; 32]), ()>,
    by_address: Buckets<IpAddr>,
    in_all: Bucket,
    turns: Semaphore,
    told: Told,
}

impl Strangers {
    /// So many look-ups in vain a minute of one address; without a bound when it is 0.
    pub(super) fn new(per_minute: u32, told: Told) -> Self {
        // Look-ups that go on at once must not find each other's permits missing.
        let at_once = NonZeroU32::new(per_minute.max(4 * TURNS));
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        let by_address = Buckets::new(quota.zip(at_once).map(|(quota, size)| quota.allow_burst(size)));
        let remember = |time| Cache::builder().max_capacity(REMEMBERED).time_to_live(time).build();
        let in_all = Quota::per_second(IN_ALL_PER_SECOND).allow_burst(IN_ALL_AT_ONCE);
        let (known, unknown) = (remember(KNOWN_FOR), remember(UNKNOWN_FOR));
        let turns = Semaphore::new(TURNS as usize);
        Self { known, unknown, by_address, in_all: Bucket::new(in_all), turns, told }
    }

    /// Looks up who shows something with this hash, unless it is known as nobody's, or too much was looked up in vain
    /// from there before. A look-up that finds nobody is paid for; one that finds somebody, or meets a database that is away,
    /// costs nothing.
    pub async fn look_up<T>(
        &self,
        by: Shown,
        from: IpAddr,
        hash: &[u8; 32],
        find: impl Future<Output = Result<Option<T>, ApiError>>,
    ) -> Result<Option<T>, ApiError> {
        let key = by.key(hash);
        if self.unknown.contains_key(&key) {
            self.note_failure(by, from);
            return Ok(None);
        }
        let found = if self.known.contains_key(&key) {
            find.await
        } else {
            self.look_up_stranger(from, key, find).await
        };
        match &found {
            Ok(Some(_)) => self.known.insert(key, ()),
            Ok(None) => {
                self.known.invalidate(&key);
                self.unknown.insert(key, ());
                self.note_failure(by, from);
            }
            Err(ApiError::TooMany(..)) => {
                counter!("holdfast_requests_limited_total", "limit" => "failures").increment(1);
                self.note_failure(by, from);
            }
            Err(_) => {}
        }
        found
    }

    /// Looks up somebody who was not known lately, in turn.
    async fn look_up_stranger<T>(
        &self,
        from: IpAddr,
        key: (bool, [u8; 32]),
        find: impl Future<Output = Result<Option<T>, ApiError>>,
    ) -> Result<Option<T>, ApiError> {
        let too_many = |wait| ApiError::TooMany(Excess::Failures, wait);
        // Who has no permit left does not lengthen the queue.
        if let Some(wait) = self.by_address.wait(&who(from)) {
            return Err(too_many(wait));
        }
        let deadline = Instant::now() + LIMIT;
        let turn = timeout_at(deadline, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| ApiError::DatabaseUnavailable)?.expect("nobody closes it");
        if self.unknown.contains_key(&key) {
            return Ok(None);
        }
        self.take(from).map_err(too_many)?;
        // Whoever hangs up meanwhile has paid.
        let found = timeout_at(deadline, find).await.unwrap_or(Err(ApiError::DatabaseUnavailable));
        if !matches!(found, Ok(None)) {
            self.give_back(from);
        }
        found
    }

    /// Counts a failure, for the metric and the log.
    pub fn note_failure(&self, by: Shown, from: IpAddr) {
        counter!("holdfast_failed_authentications_total", "by" => by.name()).increment(1);
        self.told.note("failed authentications", who(from).to_string());
    }

    fn take(&self, from: IpAddr) -> Result<(), Duration> {
        self.by_address.take(&who(from))?;
        self.in_all.take().inspect_err(|_| self.give_back_to_address(from))
    }

    fn give_back(&self, from: IpAddr) {
        self.in_all.give_back();
        self.give_back_to_address(from);
    }

    fn give_back_to_address(&self, from: IpAddr) {
        if let Some(bucket) = self.by_address.of(&who(from)) {
            bucket.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn strangers(per_minute: u32) -> Strangers {
        Strangers::new(per_minute, Told::default())
    }

    /// Shows something; returns what came of it, and whether it was looked up.
    async fn show(strangers: &Strangers, from: IpAddr, secret: u8, is_good: bool) -> (&'static str, bool) {
        let mut looked_up = false;
        let find = async {
            looked_up = true;
            tokio::task::yield_now().await;
            Ok(is_good.then_some(()))
        };
        let found = strangers.look_up(Shown::Token, from, &[secret; 32], find).await;
        let found = match found {
            Ok(Some(())) => "found",
            Ok(None) => "unknown",
            Err(ApiError::TooMany(Excess::Failures, _)) => "wait",
            Err(error) => panic!("{error}"),
        };
        (found, looked_up)
    }

    #[tokio::test]
    async fn the_same_unknown_one_is_looked_up_once() {
        let strangers = strangers(20);
        assert_eq!(show(&strangers, HERE, 1, false).await, ("unknown", true));
        for _ in 0..30 {
            assert_eq!(show(&strangers, HERE, 1, false).await, ("unknown", false));
        }
        // A session of that secret is something else.
        let find = async { Ok(Some(())) };
        let found = strangers.look_up(Shown::Session, HERE, &[1; 32], find).await;
        assert!(matches!(found, Ok(Some(()))));
    }

    #[tokio::test]
    async fn good_ones_cost_nothing_and_known_ones_need_no_permit() {
        let strangers = strangers(20);
        for secret in 0..50 {
            assert_eq!(show(&strangers, HERE, secret, true).await, ("found", true));
        }
        for secret in 101..121 {
            assert_eq!(show(&strangers, HERE, secret, false).await.0, "unknown");
        }
        assert_eq!(show(&strangers, HERE, 121, false).await, ("wait", false));
        assert_eq!(show(&strangers, HERE, 7, true).await, ("found", true));
        // A stranger may be good; nobody knows before the look-up.
        assert_eq!(show(&strangers, HERE, 60, true).await, ("wait", false));
        assert_eq!(show(&strangers, "192.0.2.1".parse().unwrap(), 60, true).await, ("found", true));
        // Once revoked it is a stranger like all others.
        assert_eq!(show(&strangers, HERE, 7, false).await, ("unknown", true));
        assert_eq!(show(&strangers, HERE, 7, false).await, ("unknown", false));
    }

    #[tokio::test]
    async fn good_ones_that_come_all_at_once_wait_for_their_turn_and_are_not_refused() {
        for per_minute in [0, 1, 60] {
            let strangers = strangers(per_minute);
            let all = join_all((0..200).map(|secret| show(&strangers, HERE, secret, true))).await;
            assert!(all.iter().all(|came| *came == ("found", true)), "{all:?}");
        }
    }

    #[tokio::test]
    async fn an_outage_costs_nobody_a_permit_and_hanging_up_does() {
        let strangers = strangers(20);
        for secret in 0..50 {
            let away = async { Err::<Option<()>, _>(ApiError::DatabaseUnavailable) };
            let failed = strangers.look_up(Shown::Token, HERE, &[secret; 32], away).await;
            assert!(matches!(failed, Err(ApiError::DatabaseUnavailable)));
        }
        for secret in 50..70 {
            let find = std::future::pending::<Result<Option<()>, _>>();
            let hung_up = strangers.look_up(Shown::Token, HERE, &[secret; 32], find).now_or_never();
            assert!(hung_up.is_none());
        }
        assert_eq!(show(&strangers, HERE, 70, false).await, ("wait", false));
    }

    #[tokio::test]
    async fn nobody_waits_for_longer_than_a_caller_may() {
        let strangers = strangers(0);
        let silent = || strangers.look_up(Shown::Token, HERE, &[1; 32], std::future::pending());
        let all: Vec<Result<Option<()>, _>> = join_all((0..50).map(|_| silent())).await;
        assert!(all.iter().all(|came| matches!(came, Err(ApiError::DatabaseUnavailable))));
    }

    #[tokio::test]
    async fn all_addresses_have_a_bound_together() {
        let strangers = strangers(0);
        let looked_up = AtomicU32::new(0);
        for n in 0..2_000_u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            let find = async {
                looked_up.fetch_add(1, Ordering::Relaxed);
                Ok(None::<()>)
            };
            let _ = strangers.look_up(Shown::Token, IpAddr::from(n.to_be_bytes()), &hash, find).await;
        }
        assert!((200..1_000).contains(&looked_up.into_inner()));
    }
}

//! Tokens, sessions and sign-ins that nobody knows: how many of them are looked up. A stranger who tries one after the other
//! is told to wait, the same one again and again costs no look-up, and who was known lately is looked up whatever strangers do.

use std::net::IpAddr;
use std::time::Duration;

use metrics::counter;
use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};

use super::by_address::{ByAddress, Permits};
use super::told::Told;
use super::turns::{self, Turns};
use crate::http::LIMIT;
use crate::http::error::{ApiError, Excess};
use crate::peers::network::who;

/// What was not found is taken for unknown for this long without asking.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// What was found is looked up again without a permit for this long.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);
/// How many of each are remembered.
const REMEMBERED: u64 = 100_000;

/// What somebody shows to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shown {
    Token,
    /// A token in the sign-in form.
    SignIn,
    /// The cookie of a session.
    Session,
    /// The cookie of a session that is to end.
    SignOut,
}

impl Shown {
    /// As metrics show it.
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::SignIn => "sign_in",
            Self::Session | Self::SignOut => "session",
        }
    }

    /// Among what it is looked up: tokens are tokens wherever they are shown.
    fn key(self, hash: &[u8; 32]) -> (bool, [u8; 32]) {
        (matches!(self, Self::Session | Self::SignOut), *hash)
    }

    /// Whether a look-up in vain is paid for. No limit may keep anybody from ending a session.
    fn is_paid_for(self) -> bool {
        self != Self::SignOut
    }
}

/// Who is known and who is not, by the hash of what they show.
pub struct Strangers {
    known: Cache<(bool, [u8; 32]), ()>,
    unknown: Cache<(bool, [u8; 32]), ()>,
    in_vain: ByAddress,
    told: Told,
}

impl Strangers {
    /// So many look-ups in vain a minute of one address; without a bound when it is 0.
    pub(super) fn new(per_minute: u32, told: Told) -> Self {
        // Look-ups that go on at once, in three pools, must not find each other's permits missing.
        let in_vain = ByAddress::new(per_minute, 2 * turns::MOST as u32);
        let remember = |time| Cache::builder().max_capacity(REMEMBERED).time_to_live(time).build();
        Self { known: remember(KNOWN_FOR), unknown: remember(UNKNOWN_FOR), in_vain, told }
    }

    /// Looks up who shows something with this hash, unless it is known as nobody's, or too much was looked up in vain
    /// from there before. A look-up that finds nobody is paid for. One that finds somebody costs nothing, and neither does one
    /// that meets a database that is away or too slow: that is nobody's fault, and has cost the caller a turn.
    pub async fn look_up<T>(
        &self,
        turns: &Turns,
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
            self.look_up_stranger(turns, by, from, key, find).await
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
        turns: &Turns,
        by: Shown,
        from: IpAddr,
        key: (bool, [u8; 32]),
        find: impl Future<Output = Result<Option<T>, ApiError>>,
    ) -> Result<Option<T>, ApiError> {
        let too_many = |wait| ApiError::TooMany(Excess::Failures, wait);
        let permits = if by.is_paid_for() { self.in_vain.permits_of(from) } else { Permits::default() };
        // Who has no permit left does not lengthen the queue.
        if let Some(wait) = permits.wait() {
            return Err(too_many(wait));
        }
        let deadline = Instant::now() + LIMIT;
        let turn = timeout_at(deadline, turns.take(from)).await;
        let _turn = turn.map_err(|_| ApiError::DatabaseUnavailable)?;
        if self.unknown.contains_key(&key) {
            return Ok(None);
        }
        permits.take().map_err(too_many)?;
        // Whoever hangs up meanwhile has paid.
        let found = timeout_at(deadline, find).await.unwrap_or(Err(ApiError::DatabaseUnavailable));
        if !matches!(found, Ok(None)) {
            permits.give_back();
        }
        found
    }

    /// Counts a failure, for the metric and the log.
    pub fn note_failure(&self, by: Shown, from: IpAddr) {
        counter!("holdfast_failed_authentications_total", "by" => by.name()).increment(1);
        self.told.note("failed authentications", who(from).to_string());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Strangers, and their turns in the only pool.
    struct Door(Strangers, Turns);

    fn strangers(per_minute: u32) -> Door {
        Door(Strangers::new(per_minute, Told::default()), Turns::of(4))
    }

    impl Door {
        async fn look_up(
            &self,
            by: Shown,
            from: IpAddr,
            secret: u8,
            find: impl Future<Output = Result<Option<()>, ApiError>>,
        ) -> Result<Option<()>, ApiError> {
            self.0.look_up(&self.1, by, from, &[secret; 32], find).await
        }
    }

    /// Shows something; returns what came of it, and whether it was looked up.
    async fn show(strangers: &Door, from: IpAddr, secret: u8, is_good: bool) -> (&'static str, bool) {
        let mut looked_up = false;
        let find = async {
            looked_up = true;
            tokio::task::yield_now().await;
            Ok(is_good.then_some(()))
        };
        let found = strangers.look_up(Shown::Token, from, secret, find).await;
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
        let found = strangers.look_up(Shown::Session, HERE, 1, find).await;
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
            let failed = strangers.look_up(Shown::Token, HERE, secret, away).await;
            assert!(matches!(failed, Err(ApiError::DatabaseUnavailable)));
        }
        for secret in 50..70 {
            // Otherwise tokio has the look-up wait before it begins, for having let so many go on at once.
            tokio::task::yield_now().await;
            let find = std::future::pending::<Result<Option<()>, _>>();
            let hung_up = strangers.look_up(Shown::Token, HERE, secret, find).now_or_never();
            assert!(hung_up.is_none());
        }
        assert_eq!(show(&strangers, HERE, 70, false).await, ("wait", false));
    }

    #[tokio::test]
    async fn nobody_waits_for_longer_than_a_caller_may() {
        let strangers = strangers(0);
        let silent = || strangers.look_up(Shown::Token, HERE, 1, std::future::pending());
        let all: Vec<Result<Option<()>, _>> = join_all((0..50).map(|_| silent())).await;
        assert!(all.iter().all(|came| matches!(came, Err(ApiError::DatabaseUnavailable))));
    }

    #[tokio::test]
    async fn without_a_bound_nobody_is_told_to_wait() {
        let strangers = strangers(0);
        for _ in 0..10 {
            let all = join_all((0..=u8::MAX).map(|secret| show(&strangers, HERE, secret, false))).await;
            assert!(all.iter().all(|(came, _)| *came == "unknown"), "{all:?}");
            strangers.0.unknown.invalidate_all();
        }
    }

    #[tokio::test]
    async fn strangers_of_many_addresses_keep_no_newcomer_out() {
        let strangers = strangers(20);
        for n in 0..200_u8 {
            let from = IpAddr::from([203, 0, 113, n]);
            let tries = (0..25).map(|m| show(&strangers, from, n.wrapping_add(m), false));
            join_all(tries).await;
            strangers.0.unknown.invalidate_all();
        }
        assert_eq!(show(&strangers, HERE, 0, true).await, ("found", true));
    }

    #[tokio::test]
    async fn a_site_has_more_tries_than_an_address_and_not_without_end() {
        let strangers = strangers(20);
        let from = |network: u16| IpAddr::from([0x2001, 0xdb8, 1, network, 0, 0, 0, 1]);
        let mut tries = 0;
        while show(&strangers, from(tries.into()), tries, false).await.0 == "unknown" {
            tries = tries.checked_add(1).expect("a site has no end of tries");
        }
        assert!(tries >= 200, "{tries}");
        assert_eq!(show(&strangers, HERE, tries, true).await, ("found", true));
    }

    #[tokio::test]
    async fn whoever_signs_out_is_looked_up_without_a_permit_and_made_up_sessions_once() {
        let strangers = strangers(20);
        for secret in 0..20 {
            assert_eq!(show(&strangers, HERE, secret, false).await.0, "unknown");
        }
        assert_eq!(show(&strangers, HERE, 20, false).await, ("wait", false));
        let session = strangers.look_up(Shown::SignOut, HERE, 21, async { Ok(Some(())) }).await;
        assert!(matches!(session, Ok(Some(()))));
        for find in [Ok(None), Err(ApiError::Internal)] {
            let none = strangers.look_up(Shown::SignOut, HERE, 22, async { find }).await;
            assert!(matches!(none, Ok(None)));
        }
    }
}

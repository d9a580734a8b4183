//! Guests, who have a cart and no token: how often they may call from one address, how many carts they may begin there and in all,
//! and the turns in which they use the database.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use metrics::counter;
use tokio::time::timeout;

use super::bucket::Bucket;
use super::by_address::ByAddress;
use super::told::Told;
use super::turns::{Turn, Turns};
use crate::http::LIMIT;
use crate::http::error::{ApiError, Excess};
use crate::peers::network::who;

/// Of so many calls one may begin a cart, which is a row that stays.
const CALLS_FOR_A_CART: u32 = 10;
/// Guests of all addresses together begin as many carts as those of so many.
const ADDRESSES_IN_ALL: u32 = 100;

pub struct Guests {
    calls: ByAddress,
    carts: ByAddress,
    /// None where there is no bound.
    carts_in_all: Option<Bucket>,
    told: Told,
}

impl Guests {
    /// So many calls a minute of one address; without a bound when it is 0.
    pub(super) fn new(calls_per_minute: u32, told: Told) -> Self {
        let carts_per_minute = calls_per_minute.div_ceil(CALLS_FOR_A_CART);
        let in_all = NonZeroU32::new(carts_per_minute.saturating_mul(ADDRESSES_IN_ALL));
        Self {
            calls: ByAddress::new(calls_per_minute, 1),
            carts: ByAddress::new(carts_per_minute, 1),
            carts_in_all: in_all.map(|in_all| Bucket::new(Quota::per_minute(in_all))),
            told,
        }
    }

    /// Counts a call of a guest.
    pub fn call(&self, from: IpAddr) -> Result<(), ApiError> {
        self.calls.permits_of(from).take().map_err(|wait| self.refuse(from, wait))
    }

    /// Counts a cart that a guest begins.
    pub fn begin_cart(&self, from: IpAddr) -> Result<(), ApiError> {
        let theirs = self.carts.permits_of(from);
        theirs.take().map_err(|wait| self.refuse(from, wait))?;
        let taken = self.carts_in_all.as_ref().map_or(Ok(()), Bucket::take);
        taken.map_err(|wait| {
            theirs.give_back();
            self.refuse(from, wait)
        })
    }

    /// Waits for a turn in a pool of connections. Guests have turns of their own, so that nobody who shows a token waits for them.
    pub async fn turn(&self, turns: &Turns, from: IpAddr) -> Result<Turn, ApiError> {
        timeout(LIMIT, turns.take(from)).await.map_err(|_| ApiError::DatabaseUnavailable)
    }

    fn refuse(&self, from: IpAddr, wait: Duration) -> ApiError {
        counter!("holdfast_requests_limited_total", "limit" => "guests").increment(1);
        self.told.note("too many calls of guests", who(from).to_string());
        ApiError::TooMany(Excess::Guests, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    #[tokio::test]
    async fn one_address_begins_few_carts_and_makes_more_calls_and_others_have_their_own() {
        let guests = Guests::new(20, Told::default());
        assert_eq!((0..50).filter(|_| guests.begin_cart(here()).is_ok()).count(), 2);
        assert_eq!((0..50).filter(|_| guests.call(here()).is_ok()).count(), 20);
        assert!(guests.call(IpAddr::from([192, 0, 2, 2])).is_ok());
    }

    #[tokio::test]
    async fn guests_of_all_addresses_begin_so_many_carts_and_call_as_before() {
        let guests = Guests::new(20, Told::default());
        let begun = (0..=u16::MAX / 16).filter(|n| {
            let from = IpAddr::from([198, 18, (n >> 8) as u8, *n as u8]);
            guests.begin_cart(from).is_ok()
        });
        assert_eq!(begun.count(), 200);
        assert!(guests.call(here()).is_ok());
    }

    #[tokio::test]
    async fn without_a_bound_there_is_none() {
        let guests = Guests::new(0, Told::default());
        assert!((0..1_000).all(|_| guests.call(here()).is_ok() && guests.begin_cart(here()).is_ok()));
    }
}

//! Links to sign in, which are mailed: how many to one address of mail, for one caller's address, and in all. A stranger asks
//! for them, somebody else may get them.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::Quota;
use metrics::counter;
use moka::sync::Cache;
use tokio::time::Instant;

use super::bucket::{Bucket, MAX_BUCKETS};
use super::by_address::{ByAddress, Permits};
use super::told::Told;
use crate::domain::contact::EmailAddress;
use crate::http::error::{ApiError, Excess};

/// Mails with a link to one address …
const MAILS: usize = 3;
/// … within this time.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// One caller's address has this part of what there is in all, so that others can sign in beside it.
const SHARE: u32 = 2;

pub struct Links {
    by_mail: Cache<EmailAddress, Arc<Mutex<Latest>>>,
    by_address: ByAddress,
    in_all: Option<Bucket>,
    told: Told,
}

/// When the latest were asked for.
type Latest = [Option<Instant>; MAILS];

impl Links {
    /// So many a minute in all; without that bound when it is 0.
    pub(super) fn new(per_minute: u32, told: Told) -> Self {
        let by_mail = Cache::builder().max_capacity(MAX_BUCKETS).time_to_idle(WINDOW).build();
        let by_address = ByAddress::new(per_minute.div_ceil(SHARE), 1);
        let in_all = NonZeroU32::new(per_minute).map(Quota::per_minute).map(Bucket::new);
        Self { by_mail, by_address, in_all, told }
    }

    /// Counts a link that is asked for, by a stranger from there if it is one.
    pub fn ask(&self, from: Option<IpAddr>, email: &EmailAddress) -> Result<(), ApiError> {
        let permits = from.map_or(Permits::default(), |from| self.by_address.permits_of(from));
        permits.take().map_err(|wait| self.refuse("links to sign in for one address", wait))?;
        let asked = self.note(email, Instant::now()).and_then(|()| {
            let in_all = self.in_all.as_ref().map_or(Ok(()), Bucket::take);
            in_all.inspect_err(|_| self.take_back(email))
        });
        asked.map_err(|wait| {
            permits.give_back();
            self.refuse("links to sign in", wait)
        })
    }

    /// Forgets the latest link to an address of mail, since it was not sent.
    pub fn take_back(&self, email: &EmailAddress) {
        if let Some(latest) = self.by_mail.get(email) {
            let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
            latest[MAILS - 1] = None;
            latest.sort_unstable();
        }
    }

    /// Notes a link to an address of mail, or tells how long it is until there may be one.
    fn note(&self, email: &EmailAddress, now: Instant) -> Result<(), Duration> {
        let latest = self.by_mail.get_with_by_ref(email, Arc::default);
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest comes first, and what never was before it.
        if let Some(age) = latest[0].map(|oldest| now - oldest)
            && age < WINDOW
        {
            return Err(WINDOW - age);
        }
        latest[0] = Some(now);
        latest.sort_unstable();
        Ok(())
    }

    fn refuse(&self, what: &'static str, wait: Duration) -> ApiError {
        counter!("holdfast_requests_limited_total", "limit" => "sign_in_links").increment(1);
        self.told.note("too many links to sign in", what.to_owned());
        ApiError::TooMany(Excess::Links, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(name: &str) -> EmailAddress {
        EmailAddress::parse(format!("{name}@example.com")).unwrap()
    }

    fn from(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, n]))
    }

    #[test]
    fn one_address_of_mail_gets_three_links_within_a_quarter_of_an_hour() {
        let links = Links::new(0, Told::default());
        let begin = Instant::now();
        let ask = |quarters: u32| links.note(&mail("alice"), begin + WINDOW * quarters / 4).is_ok();
        assert!(ask(0) && ask(0));
        assert!(ask(2) && !ask(2));
        // What was not sent does not count, and only the latest is taken back.
        links.take_back(&mail("alice"));
        assert!(ask(3) && !ask(3));
        assert!(ask(4) && ask(4) && !ask(4));
        assert!(links.note(&mail("bob"), begin).is_ok());
    }

    #[tokio::test]
    async fn one_caller_has_half_of_what_there_is_in_all() {
        let links = Links::new(8, Told::default());
        let ask = |n: u8, of: u8| {
            (0..10).filter(|i| links.ask(from(n), &mail(&format!("{of}-{i}"))).is_ok()).count()
        };
        assert_eq!((ask(1, 1), ask(2, 2), ask(3, 3)), (4, 4, 0));
    }
}

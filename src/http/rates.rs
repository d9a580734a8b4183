//! How often one caller may ask. Every process keeps its own count, but for refused orders, which all hear of.

mod bucket;
mod by_address;
mod guests;
mod links;
mod strangers;
mod told;
mod turns;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use metrics::counter;

use self::bucket::Buckets;
pub use self::guests::Guests;
pub use self::links::Links;
pub use self::strangers::{Shown, Strangers};
use self::told::Told;
pub use self::turns::{Turn, Turns};
use super::error::{ApiError, Excess};
use crate::config::RateConfig;
use crate::domain::ids::CustomerId;

/// Commands that may come at once, in seconds of their rate.
const AT_ONCE_SECONDS: u32 = 10;

/// What callers have left.
#[derive(Clone)]
pub struct Rates(Arc<Kept>);

struct Kept {
    commands_by_customer: Buckets<CustomerId>,
    /// By name: a session gives commands of its token.
    commands_by_token: Buckets<String>,
    refusals_by_customer: Buckets<CustomerId>,
    strangers: Strangers,
    guests: Guests,
    links: Links,
    told: Told,
}

impl Rates {
    /// Nobody has asked for anything yet.
    pub fn new(config: &RateConfig) -> Self {
        let per_second = |commands: u32| {
            let at_once = NonZeroU32::new(commands.saturating_mul(AT_ONCE_SECONDS))?;
            Some(Quota::per_second(NonZeroU32::new(commands)?).allow_burst(at_once))
        };
        let per_minute = |times| NonZeroU32::new(times).map(Quota::per_minute);
        let told = Told::default();
        let failures = config.failed_authentications_per_minute_per_address;
        Self(Arc::new(Kept {
            commands_by_customer: Buckets::new(per_second(config.commands_per_second_per_customer)),
            commands_by_token: Buckets::new(per_second(config.commands_per_second_per_token)),
            refusals_by_customer: Buckets::new(per_minute(config.refusals_per_minute_per_customer)),
            strangers: Strangers::new(failures, told.clone()),
            guests: Guests::new(config.guest_calls_per_minute_per_address, told.clone()),
            links: Links::new(config.sign_in_links_per_minute, told.clone()),
            told,
        }))
    }

    /// Those whom nobody knows.
    pub fn strangers(&self) -> &Strangers {
        &self.0.strangers
    }

    /// Those who have a cart and no token.
    pub fn guests(&self) -> &Guests {
        &self.0.guests
    }

    /// Those who want to be mailed a link to sign in.
    pub fn links(&self) -> &Links {
        &self.0.links
    }

    /// Counts a command that the token of this name gives, unless it gives too many.
    pub fn command_by_token(&self, name: &str) -> Result<(), ApiError> {
        let taken = self.0.commands_by_token.take(&name.to_owned());
        taken.map_err(|wait| self.refuse(Limit::CommandsByToken, name, wait))
    }

    /// Counts a command that this customer gives, unless they give too many.
    pub(super) fn command_by_customer(&self, customer: &CustomerId) -> Result<(), ApiError> {
        let taken = self.0.commands_by_customer.take(customer);
        taken.map_err(|wait| self.refuse(Limit::CommandsByCustomer, customer.as_str(), wait))
    }

    /// Whether this customer may ask for an order: not if too many of theirs were refused lately.
    pub(super) fn may_place(&self, customer: &CustomerId) -> Result<(), ApiError> {
        let wait = self.0.refusals_by_customer.wait(customer);
        wait.map_or(Ok(()), |wait| Err(self.refuse(Limit::RefusalsByCustomer, customer.as_str(), wait)))
    }

    /// Counts an order of this customer's that was refused, whoever decided it.
    pub(super) fn note_refused(&self, customer: &CustomerId) {
        // An empty bucket stays empty: that order was on its way already.
        let _ = self.0.refusals_by_customer.take(customer);
    }

    fn refuse(&self, limit: Limit, caller: &str, wait: Duration) -> ApiError {
        let (name, told, excess) = limit.words();
        counter!("holdfast_requests_limited_total", "limit" => name).increment(1);
        self.0.told.note(told, caller.to_owned());
        ApiError::TooMany(excess, wait)
    }
}

/// A limit that a caller meets.
#[derive(Clone, Copy)]
enum Limit {
    CommandsByToken,
    CommandsByCustomer,
    RefusalsByCustomer,
}

impl Limit {
    /// As metrics, the log and the caller are told.
    fn words(self) -> (&'static str, &'static str, Excess) {
        match self {
            Self::CommandsByToken => ("token_commands", "too many commands by one token", Excess::Commands),
            Self::CommandsByCustomer => {
                ("customer_commands", "too many commands by one customer", Excess::Commands)
            }
            Self::RefusalsByCustomer => {
                ("customer_refusals", "too many refused orders of one customer", Excess::Refusals)
            }
        }
    }
}

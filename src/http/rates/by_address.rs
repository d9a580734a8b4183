//! Permits of an address: its own, and, of IPv6, whose addresses are many, those of its site.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;

use super::bucket::{Bucket, Buckets};
use crate::peers::network::{site, who};

/// What one site of IPv6 may do, in what one address may.
const ADDRESSES_OF_A_SITE: u32 = 10;

pub(super) struct ByAddress {
    by_address: Buckets<IpAddr>,
    by_site: Buckets<IpAddr>,
}

impl ByAddress {
    /// So many a minute of one address, and at least so many at once; without a bound when it is 0.
    pub(super) fn new(per_minute: u32, at_once: u32) -> Self {
        let buckets = |per_minute: u32| {
            let size = NonZeroU32::new(per_minute.max(at_once));
            let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
            Buckets::new(quota.zip(size).map(|(quota, size)| quota.allow_burst(size)))
        };
        Self {
            by_address: buckets(per_minute),
            by_site: buckets(per_minute.saturating_mul(ADDRESSES_OF_A_SITE)),
        }
    }

    /// What whoever calls from there needs a permit of.
    pub(super) fn permits_of(&self, from: IpAddr) -> Permits {
        let of_site = site(from).and_then(|site| self.by_site.of(&site));
        Permits(self.by_address.of(&who(from)).into_iter().chain(of_site).collect())
    }
}

/// Buckets of which one permit each is needed.
#[derive(Default)]
pub(super) struct Permits(Vec<Arc<Bucket>>);

impl Permits {
    /// How long it is until there is one of each, if there is not now.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.0.iter().find_map(|bucket| bucket.wait())
    }

    /// Takes one of each, or none.
    pub(super) fn take(&self) -> Result<(), Duration> {
        for (taken, bucket) in self.0.iter().enumerate() {
            bucket.take().inspect_err(|_| self.0[..taken].iter().for_each(|bucket| bucket.give_back()))?;
        }
        Ok(())
    }

    /// Gives back what was not needed.
    pub(super) fn give_back(&self) {
        self.0.iter().for_each(|bucket| bucket.give_back());
    }
}

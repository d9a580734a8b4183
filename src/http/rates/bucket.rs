//! Buckets of permits that fill up again by themselves: the generic cell rate algorithm of `governor`.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

/// Callers of a kind whose buckets are kept. The buckets of those who call most are kept longest; whose is forgotten
/// begins with a full one.
pub(super) const MAX_BUCKETS: u64 = 100_000;

pub(super) struct Bucket {
    limiter: DefaultDirectRateLimiter,
    /// Permits that were taken and not needed.
    given_back: AtomicU32,
    size: u32,
}

impl Bucket {
    pub(super) fn new(quota: Quota) -> Self {
        let size = quota.burst_size().get();
        Self { limiter: RateLimiter::direct(quota), given_back: AtomicU32::new(0), size }
    }

    /// Takes a permit, or tells how long it is until there is one.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let reused =
            self.given_back.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        if reused.is_ok() {
            return Ok(());
        }
        self.limiter.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// How long it is until there is a permit, if there is none now.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.take().map(|()| self.give_back()).err()
    }

    /// Gives back a permit that was not needed.
    pub(super) fn give_back(&self) {
        // A bucket that filled up meanwhile does not become larger than twice its size.
        let _ = self.given_back.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < self.size).then_some(count + 1)
        });
    }
}

/// A bucket for each caller of a kind, of a bounded number of them.
pub(super) struct Buckets<K> {
    /// None where there is no bound.
    quota: Option<Quota>,
    buckets: Cache<K, Arc<Bucket>>,
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Buckets<K> {
    pub(super) fn new(quota: Option<Quota>) -> Self {
        Self::at_most(MAX_BUCKETS, quota)
    }

    fn at_most(most: u64, quota: Option<Quota>) -> Self {
        // A bucket that was left alone for so long is full.
        let kept_for = quota.map_or(Duration::ZERO, |quota| quota.burst_size_replenished_in());
        let buckets = Cache::builder().max_capacity(most).time_to_idle(kept_for).build();
        Self { quota, buckets }
    }

    /// This caller's bucket; none where there is no bound.
    pub(super) fn of(&self, caller: &K) -> Option<Arc<Bucket>> {
        self.quota.map(|quota| self.buckets.get_with_by_ref(caller, || Arc::new(Bucket::new(quota))))
    }

    /// Takes a permit of this caller's, or tells how long it is until there is one.
    pub(super) fn take(&self, caller: &K) -> Result<(), Duration> {
        self.of(caller).map_or(Ok(()), |bucket| bucket.take())
    }

    /// How long it is until this caller has a permit, if there is none now.
    pub(super) fn wait(&self, caller: &K) -> Option<Duration> {
        self.buckets.get(caller)?.wait()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn quota(size: u32) -> Quota {
        Quota::per_hour(NonZeroU32::new(size).unwrap())
    }

    #[test]
    fn a_bucket_is_empty_after_its_size_and_tells_when_it_is_not() {
        let bucket = Bucket::new(quota(4));
        assert!((0..4).all(|_| bucket.take().is_ok()));
        let wait = bucket.take().unwrap_err();
        assert!(wait > Duration::from_secs(890) && wait <= Duration::from_secs(900), "{wait:?}");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_is_bounded() {
        let bucket = Bucket::new(quota(2));
        for _ in 0..10 {
            assert!(bucket.take().is_ok());
            bucket.give_back();
        }
        (0..10).for_each(|_| bucket.give_back());
        let taken = (0..10).filter(|_| bucket.take().is_ok()).count();
        assert!((2..=4).contains(&taken), "{taken}");
    }

    #[test]
    fn each_caller_has_a_bucket_and_looking_at_it_takes_nothing() {
        let buckets = Buckets::new(Some(quota(2)));
        assert_eq!(buckets.wait(&"alice"), None);
        assert!(buckets.take(&"alice").is_ok());
        assert!((0..10).all(|_| buckets.wait(&"alice").is_none()));
        assert!(buckets.take(&"alice").is_ok());
        assert!(buckets.wait(&"alice").is_some() && buckets.take(&"alice").is_err());
        assert!(buckets.take(&"bob").is_ok());
    }

    #[test]
    fn a_bucket_is_kept_until_it_is_full_again() {
        let slow = Quota::per_minute(NonZeroU32::MIN).allow_burst(NonZeroU32::new(16).unwrap());
        let kept_for = Buckets::<&str>::new(Some(slow)).buckets.policy().time_to_idle();
        assert_eq!(kept_for, Some(Duration::from_secs(16 * 60)));
    }

    #[test]
    fn strangers_without_number_do_not_fill_the_memory() {
        let buckets = Buckets::at_most(100, Some(quota(2)));
        for caller in 0..1_000 {
            assert!(buckets.take(&caller).is_ok());
        }
        buckets.buckets.run_pending_tasks();
        assert!(buckets.buckets.entry_count() <= 100);
    }

    #[test]
    fn without_a_bound_there_are_no_buckets() {
        let buckets = Buckets::new(None);
        assert!((0..1_000).all(|_| buckets.take(&"alice").is_ok()));
        assert_eq!(buckets.buckets.entry_count(), 0);
    }
}

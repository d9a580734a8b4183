//! What several want at the same time is done once.

use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// Something that is under way.
pub type Joined<T> = Shared<BoxFuture<'static, T>>;

/// What somebody has begun and may be waiting for.
pub struct UnderWay<T>(Mutex<Option<WeakShared<BoxFuture<'static, T>>>>);

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> UnderWay<T> {
    /// What is under way, or what begins now. It goes on as long as anybody waits for it, whoever began it.
    pub fn join(&self, begin: impl FnOnce() -> BoxFuture<'static, T>) -> Joined<T> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let joined = under_way.as_ref().and_then(WeakShared::upgrade);
        joined.filter(|joined| joined.peek().is_none()).unwrap_or_else(|| {
            let begun = begin().shared();
            *under_way = begun.downgrade();
            begun
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_is_under_way_is_joined_and_goes_on_without_whoever_began_it() {
        let (under_way, begun, done) =
            (UnderWay::default(), Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let begin = || {
            let (begun, done) = (begun.clone(), done.clone());
            async move {
                let number = begun.fetch_add(1, Ordering::Relaxed) + 1;
                done.notified().await;
                number
            }
            .boxed()
        };
        let mut first = under_way.join(begin);
        assert!((&mut first).now_or_never().is_none());
        let others = (0..10).map(|_| under_way.join(begin)).collect::<Vec<_>>();
        drop(first);
        done.notify_one();
        assert_eq!(join_all(others).await, [1; 10]);
        // What is over is not joined, and what nobody waits for any more neither.
        let mut second = under_way.join(begin);
        assert!((&mut second).now_or_never().is_none());
        drop(second);
        done.notify_one();
        assert_eq!(under_way.join(begin).await, 3);
    }
}

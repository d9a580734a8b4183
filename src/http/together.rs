//! Looks that are shared: of those who want to know the same thing, one looks, and the others take what was found, as long as
//! that look began late enough for them.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::ApiError;

/// How late a look must have begun to be good for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// At this moment or later: something was committed before it, and is to be seen.
    Since(Instant),
    /// After this moment: it is when the last look began that they know of.
    After(Instant),
}

impl Need {
    fn is_met_by(self, began: Instant) -> bool {
        match self {
            Self::Since(moment) => began >= moment,
            Self::After(moment) => began > moment,
        }
    }
}

/// A look at the table, and what came of it.
#[derive(Debug)]
pub struct Look<T> {
    /// When it began: what was committed before was seen.
    pub began: Instant,
    /// What was found. A failure is shared too: an outage is not asked about by one caller after the other.
    pub found: Result<Arc<T>, ApiError>,
}

impl<T> Clone for Look<T> {
    fn clone(&self) -> Self {
        Self { began: self.began, found: self.found.clone() }
    }
}

/// The last look of those who look together.
#[derive(Debug)]
pub struct Together<T> {
    last: Mutex<Option<Look<T>>>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { last: Mutex::new(None) }
    }
}

impl<T> Together<T> {
    /// The last look, if it began late enough and `serves` the caller, or one that begins now. That one is told what was
    /// found last. Whoever comes while somebody looks waits for that look, and takes it if it is good for them.
    pub async fn look<F>(
        &self,
        need: Need,
        serves: impl FnOnce(&T) -> bool,
        look: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Look<T>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut last = self.last.lock().await;
        if let Some(last) = &*last
            && need.is_met_by(last.began)
            && last.found.as_ref().map_or(true, |found| serves(found))
        {
            return last.clone();
        }
        let before = last.as_ref().and_then(|look| look.found.clone().ok());
        let began = Instant::now();
        let found = look(before).await.map(Arc::new);
        last.insert(Look { began, found }).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_look_that_began_before_a_call_is_not_good_for_who_was_called() {
        let (together, begun, called) = (Together::default(), Notify::new(), Notify::new());
        let first = together.look(
            Need::Since(Instant::now()),
            |_| true,
            async |_| {
                begun.notify_one();
                called.notified().await;
                Ok(1)
            },
        );
        let second = async {
            begun.notified().await;
            let call = Instant::now();
            called.notify_one();
            (call, together.look(Need::Since(call), |_| true, async |_| Ok(2)).await)
        };
        let (first, (call, second)) = tokio::join!(first, second);
        assert_eq!((*first.found.unwrap(), *second.found.unwrap()), (1, 2));
        assert!(first.began < call && call <= second.began);
    }

    #[tokio::test]
    async fn all_who_are_called_at_once_look_once() {
        let (together, looks) = (Together::default(), AtomicUsize::new(0));
        let look = async |need| {
            let found = together.look(
                need,
                |_| true,
                async |_| {
                    yield_now().await;
                    Ok(looks.fetch_add(1, Ordering::SeqCst) + 1)
                },
            );
            let Look { began, found } = found.await;
            (began, *found.unwrap())
        };
        let call = Instant::now();
        let found = join_all((0..100).map(|_| look(Need::Since(call)))).await;
        let (began, _) = found[0];
        assert!(began >= call && found.iter().all(|look| *look == (began, 1)), "{found:?}");
        // Who does not know of that look takes it, and who does wants another one.
        assert_eq!(look(Need::After(call)).await.1, 1);
        assert_eq!(look(Need::After(began)).await.1, 2);
    }

    #[tokio::test]
    async fn a_look_for_something_else_serves_nobody_and_a_failure_serves_all_who_waited() {
        let together = Together::default();
        let start = Need::Since(Instant::now());
        let odd = together.look(start, |_| true, async |_| Ok(1)).await;
        assert_eq!(*odd.found.unwrap(), 1);
        let even =
            together.look(start, |found| found % 2 == 0, async |before| Ok(*before.unwrap() + 1)).await;
        assert_eq!(*even.found.unwrap(), 2);

        let later = Need::After(even.began);
        let failed = together.look(later, |_| true, async |_| Err(ApiError::DatabaseUnavailable)).await;
        let shared = together.look(later, |_| true, async |_| unreachable!("one look failed already")).await;
        assert_eq!((failed.began, shared.found.is_err()), (shared.began, true));
        let again = together.look(
            Need::After(failed.began),
            |_| true,
            async |before| {
                assert!(before.is_none());
                Ok(3)
            },
        );
        assert_eq!(*again.await.found.unwrap(), 3);
    }
}

//! Looks that are shared: of those who want to know the same thing, one looks, and the others take what was found, as long as
//! that look began late enough for them.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::LIMIT;
use super::error::ApiError;
use super::under_way::UnderWay;

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

/// The last look of those who look together, and the one that goes on.
pub struct Together<T> {
    last: Arc<Mutex<Option<Look<T>>>>,
    under_way: UnderWay<Look<T>>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { last: Arc::default(), under_way: UnderWay::default() }
    }
}

impl<T: Send + Sync + 'static> Together<T> {
    /// The last look, if it began late enough and `serves` the caller, or one that begins now. That one is told what was
    /// found last. Whoever comes while somebody looks waits for that look, and takes it if it is good for them. It goes on
    /// as long as anybody waits.
    pub async fn look<F>(
        &self,
        need: Need,
        serves: impl Fn(&T) -> bool,
        look: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Look<T>
    where
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let asked = Instant::now();
        let is_good = |look: &Look<T>| {
            need.is_met_by(look.began) && look.found.as_ref().map_or(true, |found| serves(found))
        };
        let mut look = Some(look);
        let looking = async {
            loop {
                if let Some(last) = self.last().filter(&is_good) {
                    return last;
                }
                let joined = self.under_way.join(|| self.begin(look.take().expect("who has looked is done")));
                let found = joined.await;
                if look.is_none() || is_good(&found) {
                    return found;
                }
            }
        };
        let too_late = || Look { began: asked, found: Err(ApiError::DatabaseUnavailable) };
        timeout_at(asked + LIMIT, looking).await.unwrap_or_else(|_| too_late())
    }

    fn begin<F>(&self, look: impl FnOnce(Option<Arc<T>>) -> F) -> BoxFuture<'static, Look<T>>
    where
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let before = self.last().and_then(|look| look.found.ok());
        let (last, began, looking) = (self.last.clone(), Instant::now(), look(before));
        async move {
            let look = Look { began, found: looking.await.map(Arc::new) };
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(look.clone());
            look
        }
        .boxed()
    }

    fn last(&self) -> Option<Look<T>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;
    use tokio::task::yield_now;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn a_look_that_began_before_a_call_is_not_good_for_who_was_called() {
        let (together, begun, called) = (Together::default(), Notify::new(), Arc::new(Notify::new()));
        let until_called = called.clone();
        let first = together.look(
            Need::Since(Instant::now()),
            |_| true,
            |_| {
                begun.notify_one();
                async move {
                    until_called.notified().await;
                    Ok(1)
                }
            },
        );
        let second = async {
            begun.notified().await;
            let call = Instant::now();
            called.notify_one();
            (call, together.look(Need::Since(call), |_| true, |_| ready(Ok(2))).await)
        };
        let (first, (call, second)) = tokio::join!(first, second);
        assert_eq!((*first.found.unwrap(), *second.found.unwrap()), (1, 2));
        assert!(first.began < call && call <= second.began);
    }

    #[tokio::test]
    async fn all_who_are_called_at_once_look_once() {
        let (together, looks) = (Together::default(), Arc::new(AtomicUsize::new(0)));
        let look = async |need| {
            let looks = looks.clone();
            let found = together.look(
                need,
                |_| true,
                |_| async move {
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
        let odd = together.look(start, |_| true, |_| ready(Ok(1))).await;
        assert_eq!(*odd.found.unwrap(), 1);
        let even =
            together.look(start, |found| found % 2 == 0, |before| ready(Ok(*before.unwrap() + 1))).await;
        assert_eq!(*even.found.unwrap(), 2);

        let later = Need::After(even.began);
        let failed = together.look(later, |_| true, |_| ready(Err(ApiError::DatabaseUnavailable))).await;
        let shared = together.look(later, |_| true, |_| pending()).await;
        assert_eq!((failed.began, shared.began, shared.found.is_err()), (shared.began, failed.began, true));
        let again = together.look(
            Need::After(failed.began),
            |_| true,
            |before| {
                assert!(before.is_none());
                ready(Ok(3))
            },
        );
        assert_eq!(*again.await.found.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_look_goes_on_for_others_when_whoever_began_it_leaves() {
        let (together, let_go) = (Together::default(), Arc::new(Notify::new()));
        let need = Need::Since(Instant::now());
        let held = let_go.clone();
        let until_let_go = |_| async move {
            held.notified().await;
            Ok(())
        };
        let mut first = together.look(need, |_| true, until_let_go).boxed();
        assert!((&mut first).now_or_never().is_none());
        let mut second = together.look(need, |_| true, |_| ready(Err(ApiError::Internal))).boxed();
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        let_go.notify_one();
        assert!(second.await.found.is_ok(), "it looked by itself");
    }

    #[tokio::test]
    async fn who_finds_a_silent_look_hears_in_time_that_there_is_no_answer() {
        let together = Together::default();
        let silent = || async {
            sleep(LIMIT).await;
            Err::<(), _>(ApiError::DatabaseUnavailable)
        };
        let first = together.look(Need::Since(Instant::now()), |_| true, |_| silent());
        let second = async {
            // That look began too early for this one, who would have to wait for it and then look.
            yield_now().await;
            let asked = Instant::now();
            let look = together.look(Need::Since(asked), |_| true, |_| silent()).await;
            (look.found.is_err(), asked.elapsed())
        };
        let (_, (is_unavailable, waited)) = tokio::join!(first, second);
        assert!(is_unavailable && waited < LIMIT * 3 / 2, "{waited:?}");
    }
}

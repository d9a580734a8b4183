//! What the log is told of refused requests: a line per kind for every ten seconds with any, however many there were.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;

/// For how long refusals are gathered into one line.
const WINDOW: Duration = Duration::from_secs(10);
/// Callers who are counted apart within a window; those beyond are counted together.
const MAX_CALLERS: usize = 1_000;

/// The windows that are open, by what was refused.
#[derive(Clone, Default)]
pub(super) struct Told {
    open: Arc<Mutex<HashMap<&'static str, RefusalWindow>>>,
}

#[derive(Default)]
struct RefusalWindow {
    count: u64,
    by_caller: HashMap<String, u64>,
}

impl RefusalWindow {
    fn note(&mut self, caller: String) {
        self.count += 1;
        if self.by_caller.len() < MAX_CALLERS || self.by_caller.contains_key(&caller) {
            *self.by_caller.entry(caller).or_default() += 1;
        }
    }

    /// The caller who was refused most often, and how often.
    fn most(&self) -> Option<(&str, u64)> {
        let most = self.by_caller.iter().max_by_key(|(_, count)| **count)?;
        Some((most.0, *most.1))
    }
}

impl Told {
    /// Notes that somebody was refused. The first of a kind opens a window, at whose end the log is told.
    pub(super) fn note(&self, what: &'static str, caller: String) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !open.contains_key(what);
        open.entry(what).or_default().note(caller);
        if is_first {
            let told = self.clone();
            tokio::spawn(async move {
                sleep(WINDOW).await;
                told.tell(what);
            });
        }
    }

    fn tell(&self, what: &'static str) {
        let window = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
        let Some(window) = window else { return };
        let (caller, of_caller) = window.most().unwrap_or(("nobody", 0));
        let (count, callers, seconds) = (window.count, window.by_caller.len(), WINDOW.as_secs());
        warn!(count, callers, seconds, most_by = caller, of_caller, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_everybody_and_remembers_a_bounded_number_of_callers() {
        let mut window = RefusalWindow::default();
        assert_eq!(window.most(), None);
        for caller in 0..MAX_CALLERS + 500 {
            window.note(caller.to_string());
        }
        window.note("7".to_owned());
        assert_eq!((window.count, window.by_caller.len()), (MAX_CALLERS as u64 + 501, MAX_CALLERS));
        assert_eq!(window.most(), Some(("7", 2)));
    }
}

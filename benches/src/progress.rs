//! One line that says what is going on: rewritten in place on a terminal, now and then elsewhere.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// How often a log that is no terminal hears of a phase that is still running.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of one phase.
pub(crate) struct Progress {
    phase: String,
    started: Instant,
    said: Instant,
    last: Option<(Instant, u64)>,
    silent: bool,
}

impl Progress {
    pub(crate) fn start(phase: impl Into<String>) -> Self {
        let mut progress = Self { phase: phase.into(), silent: false, ..Self::silent() };
        progress.say("started", true);
        progress
    }

    /// The progress of a part of a phase that shows its own.
    pub(crate) fn silent() -> Self {
        let now = Instant::now();
        Self { phase: String::new(), started: now, said: now, last: None, silent: true }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, text: &str) {
        self.say(text, false);
    }

    /// Shows a count and the rate at which it grew since the last time.
    pub(crate) fn count(&mut self, what: &str, count: u64) {
        let now = Instant::now();
        let rate = self.last.map_or(0.0, |(then, before)| {
            count.saturating_sub(before) as f64 / (now - then).as_secs_f64().max(0.001)
        });
        self.last = Some((now, count));
        self.say(&format!("{count} {what}, {rate:.0}/s now"), false);
    }

    /// The last line of the phase, with its result.
    pub(crate) fn done(mut self, result: &str) {
        self.say(result, true);
        if stderr().is_terminal() {
            let _ = writeln!(stderr());
        }
    }

    fn say(&mut self, text: &str, always: bool) {
        let (elapsed, phase) = (self.started.elapsed().as_secs_f64(), &self.phase);
        if self.silent {
            return;
        }
        // Nobody may be there to read it any more, which is no reason to stop measuring.
        if stderr().is_terminal() {
            let _ = write!(stderr(), "\r\x1b[K{phase} · {elapsed:.0} s · {text}");
        } else if always || self.said.elapsed() >= LOG_INTERVAL {
            self.said = Instant::now();
            let _ = writeln!(stderr(), "{phase} · {elapsed:.0} s · {text}");
        }
    }
}

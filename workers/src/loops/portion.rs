//! How much a loop does in one transaction: less after that was too slow, more again when it goes well.

use holdfast::store::{self, Cause};

/// A number of rows between one and what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portion {
    usual: i64,
    now: i64,
}

impl Portion {
    /// So many, as long as that goes well.
    pub(crate) fn of(usual: i64) -> Self {
        Self { usual, now: usual }
    }

    pub(crate) fn size(self) -> i64 {
        self.now
    }

    /// Learns from a transaction that did that many.
    pub(crate) fn went_well(&mut self) {
        self.now = self.usual.min(self.now * 2);
    }

    /// Learns from one that failed. Only what was too much for a database that is there makes it smaller.
    pub(crate) fn failed(&mut self, error: &sqlx::Error) {
        if store::cause(error) == Cause::TooMuch || store::ran_out_of_time(error) {
            self.now = 1.max(self.now / 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_shrinks_while_it_is_too_slow_and_grows_again() {
        let mut portion = Portion::of(1_000);
        let slow = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        let mut sizes = vec![];
        for _ in 0..6 {
            portion.failed(&slow);
            sizes.push(portion.size());
        }
        assert_eq!(sizes, [250, 62, 15, 3, 1, 1]);
        portion.failed(&sqlx::Error::PoolTimedOut);
        for _ in 0..11 {
            portion.went_well();
        }
        assert_eq!(portion, Portion::of(1_000));
    }
}

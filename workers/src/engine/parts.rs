//! The parts of a batch that are still to be done, and what became of the others.

use std::ops::Range;
use std::time::Duration;

use super::worker::Verdict;

/// Into so many parts falls one that was too slow: a guilty message among five hundred is found at the fourth try.
const PIECES: usize = 8;
/// After so many tries that were too slow a batch is given up, and what is left of it waits on a rung: a table that is
/// locked for minutes must not cost a runner one limit per message. One message at least has been found by then.
const SLOW_TRIES: usize = 6;
/// How long what is left of such a batch waits.
const DEFERRED: Duration = Duration::from_secs(8);

/// The parts, by the places of their messages in the batch.
#[derive(Debug)]
pub(crate) struct BatchParts {
    /// A stack whose top is the foremost part.
    left: Vec<Range<usize>>,
    verdicts: Vec<Option<Verdict>>,
    slow_tries: usize,
}

impl BatchParts {
    /// A batch in one part; but those from `suspects` on, which were too slow before, each for itself, after the others.
    pub(crate) fn of(messages: usize, suspects: usize) -> Self {
        let alone = (suspects..messages).rev().map(|place| place..place + 1);
        let mut left: Vec<Range<usize>> = alone.collect();
        left.push(0..suspects);
        Self { left, verdicts: vec![None; messages], slow_tries: 0 }
    }

    /// The next part to be done.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let part = self.left.pop()?;
            if !part.is_empty() {
                return Some(part);
            }
        }
    }

    /// Has a part done once more.
    pub(crate) fn again(&mut self, part: Range<usize>) {
        self.left.push(part);
    }

    /// Has these parts done again, in their order.
    pub(crate) fn all_again(&mut self, parts: Vec<Range<usize>>) {
        self.left.extend(parts.into_iter().rev());
    }

    /// Notes what became of a part.
    pub(crate) fn done(&mut self, part: Range<usize>, verdicts: Vec<Verdict>) {
        for (place, verdict) in part.zip(verdicts) {
            self.verdicts[place] = Some(verdict);
        }
    }

    /// One message of a part is at fault: it is halved until that one stands alone.
    pub(crate) fn faulty(&mut self, part: Range<usize>, class: &'static str, reason: String) {
        if part.len() == 1 {
            self.verdicts[part.start] = Some(Verdict::Dead { class, reason });
        } else {
            self.divide(part, 2);
        }
    }

    /// A part was too much: it is done in pieces, or waits.
    pub(crate) fn too_slow(&mut self, part: Range<usize>, reason: String) {
        if part.len() == 1 {
            self.verdicts[part.start] = Some(Verdict::TooSlow { reason });
        } else {
            self.divide(part, PIECES);
        }
        self.slow_tries += 1;
        if self.slow_tries >= SLOW_TRIES {
            for place in std::mem::take(&mut self.left).into_iter().flatten() {
                let why = "the database is too slow for its batch";
                self.verdicts[place] = Some(Verdict::Later { why, after: DEFERRED });
            }
        }
    }

    fn divide(&mut self, part: Range<usize>, pieces: usize) {
        let size = part.len().div_ceil(pieces);
        let end = part.end;
        let pieces: Vec<_> = part.step_by(size).map(|start| start..end.min(start + size)).collect();
        self.all_again(pieces);
    }

    /// What became of each message.
    pub(crate) fn into_verdicts(self) -> Vec<Verdict> {
        let verdicts = self.verdicts.into_iter();
        verdicts.map(|verdict| verdict.expect("every part is done, faulty, too slow or deferred")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a batch whose messages at these places are too slow, and how many tries were.
    fn try_all(messages: usize, suspects: usize, slow: impl Fn(usize) -> bool) -> (Vec<Verdict>, usize) {
        let mut parts = BatchParts::of(messages, suspects);
        let mut slow_tries = 0;
        while let Some(part) = parts.next() {
            if part.clone().any(&slow) {
                slow_tries += 1;
                parts.too_slow(part, String::new());
            } else {
                let verdicts = vec![Verdict::Done; part.len()];
                parts.done(part, verdicts);
            }
        }
        (parts.into_verdicts(), slow_tries)
    }

    fn is_slow(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::TooSlow { .. })
    }

    #[test]
    fn one_slow_message_among_five_hundred_is_found_at_the_fourth_try_wherever_it_is() {
        for place in 0..500 {
            let (verdicts, tries) = try_all(500, 500, |at| at == place);
            assert!(tries <= 4, "{tries} tries");
            assert!(is_slow(&verdicts[place]));
            assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Done).count(), 499);
        }
    }

    #[test]
    fn a_batch_of_which_all_is_slow_costs_a_few_tries_and_counts_against_few() {
        let (verdicts, tries) = try_all(500, 500, |_| true);
        assert_eq!(tries, SLOW_TRIES);
        assert!((1..=3).contains(&verdicts.iter().filter(|verdict| is_slow(verdict)).count()));
    }

    #[test]
    fn what_was_slow_before_stands_alone_and_its_neighbours_never_wait_for_it() {
        let (verdicts, tries) = try_all(10, 8, |place| place >= 8);
        assert_eq!(tries, 2);
        assert_eq!(verdicts[..8], vec![Verdict::Done; 8]);
    }

    #[test]
    fn a_faulty_message_is_found_by_halving() {
        let mut parts = BatchParts::of(5, 5);
        while let Some(part) = parts.next() {
            if part.contains(&3) {
                parts.faulty(part, "test", "no".to_owned());
            } else {
                let verdicts = vec![Verdict::Done; part.len()];
                parts.done(part, verdicts);
            }
        }
        let verdicts = parts.into_verdicts();
        assert!(matches!(verdicts[3], Verdict::Dead { .. }));
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Done).count(), 4);
    }
}

//! Looks again, piece by piece, at the time before a mark from which on a loop looks for its work.

use chrono::{DateTime, TimeDelta, Utc};

/// How far back time is looked through piece by piece. What lies before that is one piece.
const IN_PIECES: TimeDelta = TimeDelta::days(1);

/// How far back a review has come. At its end it begins anew.
#[derive(Debug)]
pub(crate) struct Review {
    piece: TimeDelta,
    /// Where it began, and where its last piece began.
    under_way: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Review {
    /// One by pieces of so much time.
    pub(crate) fn by(piece: TimeDelta) -> Self {
        Self { piece, under_way: None }
    }

    /// The beginning and the end of the next piece. A review that begins does so at the mark.
    pub(crate) fn next(&mut self, mark: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let (began, reached) = self.under_way.unwrap_or((mark, mark));
        if began - reached >= IN_PIECES {
            self.under_way = None;
            return (DateTime::UNIX_EPOCH, reached);
        }
        let from = reached - self.piece;
        self.under_way = Some((began, from));
        (from, reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_looks_at_all_of_the_time_before_the_mark_once_and_begins_anew() {
        let mark = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut review = Review::by(TimeDelta::minutes(1));
        let (mut end, mut pieces) = (mark, 0);
        loop {
            // The mark moves on meanwhile.
            let (from, until) = review.next(mark + TimeDelta::seconds(pieces));
            assert_eq!(until, end, "no gap");
            pieces += 1;
            if from == DateTime::UNIX_EPOCH {
                break;
            }
            end = from;
        }
        assert_eq!((mark - end, pieces), (IN_PIECES, 24 * 60 + 1));
        let anew = mark + TimeDelta::hours(1);
        assert_eq!(review.next(anew), (anew - TimeDelta::minutes(1), anew));
    }
}

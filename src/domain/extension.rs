//! Bounded extension of a hold.

use chrono::{DateTime, TimeDelta, Utc};

use super::order::Hold;
use super::refusal::ExtensionRefusal;

/// How often one hold may be extended.
pub const MAX_EXTENSIONS: i16 = 2;
/// How long after its begin a hold may last by extension, in seconds.
pub const MAX_EXTENDED_SECONDS: i64 = 3_600;

/// How much time an extension gives when nobody says, in seconds.
pub const USUAL_EXTENSION_SECONDS: i64 = 600;

impl Hold {
    /// Whether it would be given the usual time once more.
    pub fn may_be_extended(self, now: DateTime<Utc>) -> bool {
        self.extend(USUAL_EXTENSION_SECONDS, now).is_ok()
    }

    /// The hold with its deadline `seconds` later, or why not. The caller has locked the order, so that the answer
    /// still holds when it is stored.
    pub fn extend(self, seconds: i64, now: DateTime<Utc>) -> Result<Hold, ExtensionRefusal> {
        if self.is_overdue(now) {
            return Err(ExtensionRefusal::Expired);
        }
        if self.extension_count >= MAX_EXTENSIONS {
            return Err(ExtensionRefusal::TooOften);
        }
        let expires_at = self.expires_at + TimeDelta::seconds(seconds);
        if expires_at > self.began_at + TimeDelta::seconds(MAX_EXTENDED_SECONDS) {
            return Err(ExtensionRefusal::TooLong);
        }
        Ok(Hold { expires_at, extension_count: self.extension_count + 1, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn hold(seconds: i64) -> Hold {
        Hold { began_at: at(0), expires_at: at(seconds), extension_count: 0 }
    }

    #[test]
    fn a_hold_is_extended_twice_and_no_more() {
        let twice = hold(1_200).extend(600, at(10)).and_then(|hold| hold.extend(600, at(20))).unwrap();
        assert_eq!(twice.expires_at, at(2_400));
        assert_eq!(twice.extend(1, at(30)), Err(ExtensionRefusal::TooOften));
    }

    #[test]
    fn an_expired_hold_is_not_revived() {
        assert_eq!(hold(60).extend(600, at(60)), Err(ExtensionRefusal::Expired));
    }

    proptest! {
        #[test]
        fn no_extension_lasts_past_an_hour_after_the_hold_began(
            seconds in 1i64..86_400, steps in prop::collection::vec((1i64..10_000, 0i64..4_000), 1..6),
        ) {
            let mut current = hold(seconds);
            let limit = current.expires_at.max(at(MAX_EXTENDED_SECONDS));
            for (by, now) in steps {
                if let Ok(extended) = current.extend(by, at(now)) {
                    current = extended;
                }
                prop_assert!(current.expires_at <= limit && current.extension_count <= MAX_EXTENSIONS);
            }
        }
    }
}

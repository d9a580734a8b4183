//! Why somebody does something.

use serde::{Deserialize, Deserializer, Serialize};

use super::Invalid;
use super::refund::RefundReason;

/// A reason longer than this is a novel.
const MAX_CHARS: usize = 500;

/// Why an operator does something, for whoever reads the audit log later: one rule for every act, whoever asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

impl Reason {
    /// Words: not nothing, at most 500 characters, no control characters.
    pub fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        let text = text.trim();
        if (1..=MAX_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("reason", "1 to 500 characters without control characters"))
        }
    }

    /// The reason of an act that needs none: a blank text is none.
    pub fn optional(text: Option<String>) -> Result<Option<Self>, Invalid> {
        text.filter(|text| !text.trim().is_empty()).map(Self::parse).transpose()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for a refund's own row, which shops read, too: its beginning, if it is long. The audit log has all of it.
    pub fn of_refund(&self) -> RefundReason {
        RefundReason::beginning_of(&self.0)
    }
}

/// Reads the `reason` of an act that needs none.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Reason>, D::Error> {
    Reason::optional(Option::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

impl TryFrom<String> for Reason {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> String {
        reason.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_words_and_a_blank_one_is_none() {
        assert_eq!(Reason::parse(" the buyer called ").unwrap().as_str(), "the buyer called");
        assert!(Reason::parse("가".repeat(500)).is_ok());
        for bad in ["", " ", "two\nlines", "nul\0"] {
            assert!(Reason::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Reason::parse("x".repeat(501)).is_err());
        assert_eq!(Reason::optional(Some("  ".to_owned())), Ok(None));
        assert!(Reason::optional(Some("x".repeat(501))).is_err());
    }

    #[test]
    fn a_refund_keeps_the_beginning_of_a_long_reason() {
        let long = Reason::parse("가".repeat(300)).unwrap().of_refund();
        assert_eq!(long.as_str().chars().count(), 200);
        assert!(long.as_str().ends_with('…'));
        assert_eq!(Reason::parse("broken").unwrap().of_refund().as_str(), "broken");
    }
}

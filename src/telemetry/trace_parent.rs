//! The W3C trace context: what ties together all that comes of one request, in whatever process it happens.

use std::fmt;

use uuid::Uuid;

/// A `traceparent`: which trace, and which span of it was the last that wrote down what it did.
///
/// Without an exporter of spans we write none down, so the caller's parent is passed on as it is, as the recommendation
/// allows who takes no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace, never 0.
    pub trace_id: u128,
    /// The span, never 0.
    pub span_id: u64,
    /// Bit 0: the spans of this trace are kept.
    pub flags: u8,
}

impl TraceParent {
    /// Version, trace id, span id and flags with the hyphens between them.
    const LENGTH: usize = 55;

    /// A trace that begins here.
    pub fn fresh() -> Self {
        let (trace, span) = (Uuid::new_v4(), Uuid::new_v4());
        // The version bits of the id are set, so neither half is 0.
        Self { trace_id: trace.as_u128(), span_id: span.as_u64_pair().0, flags: 0 }
    }

    /// Reads a header as the recommendation says: a later version may have more at its end, and what is malformed is as
    /// good as none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (known, more) = bytes.split_at_checked(Self::LENGTH)?;
        let is_hyphen = |at: usize| known[at] == b'-';
        let is_later_version = match &known[..2] {
            b"00" => false,
            b"ff" => return None,
            _ => true,
        };
        let ends_well = more.is_empty() || (is_later_version && more[0] == b'-');
        if !(is_hyphen(2) && is_hyphen(35) && is_hyphen(52) && ends_well) {
            return None;
        }
        hex(&known[..2])?;
        let trace_id = hex(&known[3..35])?;
        let span_id = u64::try_from(hex(&known[36..52])?).ok()?;
        let flags = u8::try_from(hex(&known[53..55])?).ok()?;
        // Of a later version only the flag is known whose meaning stands.
        let flags = if is_later_version { flags & 1 } else { flags };
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, flags })
    }

    /// The trace as people search for it.
    pub fn trace_id(self) -> impl fmt::Display {
        struct Hex(u128);
        impl fmt::Display for Hex {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }
        Hex(self.trace_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// A number in lower-case hexadecimal digits, the only ones that are allowed.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_good_header_is_read_and_written_alike() {
        let parent = TraceParent::parse(GOOD).unwrap();
        assert_eq!(parent.to_string(), GOOD);
        assert_eq!(parent.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let own = TraceParent::fresh();
        assert_eq!(TraceParent::parse(&own.to_string()), Some(own));
        assert_ne!(own, TraceParent::fresh());
    }

    #[test]
    fn what_the_recommendation_calls_malformed_is_none() {
        let zeros = |of: &str| GOOD.replace(of, &"0".repeat(of.len()));
        let bad = [
            String::new(),
            "00-xyz".to_owned(),
            format!("{GOOD}-and-more"),
            format!("{GOOD} "),
            GOOD.to_uppercase(),
            GOOD.replace("00-4b", "ff-4b"),
            GOOD.replace("00-4b", "0g-4b"),
            GOOD.replace('-', "_"),
            zeros("4bf92f3577b34da6a3ce929d0e0e4736"),
            zeros("00f067aa0ba902b7"),
            GOOD.replace("-01", "-0x"),
            GOOD[..54].to_owned(),
            "é".repeat(28),
        ];
        for text in bad {
            assert_eq!(TraceParent::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_may_have_more_at_its_end() {
        let later = GOOD.replace("00-4b", "cc-4b").replace("-01", "-ff");
        for text in [later.clone(), format!("{later}-more")] {
            assert_eq!(TraceParent::parse(&text), TraceParent::parse(GOOD), "{text}");
        }
        assert_eq!(TraceParent::parse(&format!("{later}more")), None);
    }
}

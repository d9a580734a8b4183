//! How a customer is reached.

use std::fmt;

use lettre::Address;
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::ids::text_type;

/// The longest address that SMTP carries, in bytes.
const LONGEST_ADDRESS: usize = 254;

text_type!(EmailAddress, "email", "an e-mail address of at most 254 visible ASCII characters", |text| text
    .len()
    <= LONGEST_ADDRESS
    && text.bytes().all(|byte| byte.is_ascii_graphic())
    && text.parse::<Address>().is_ok());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_and_nothing_else() {
        for good in ["alice@example.com", "a.b+c@sub.example.co.kr", "x@xn--fsqu00a.com"] {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in
            ["", "alice", "@example.com", "a@b@", "a b@example.com", "a@example.com\r\nBcc: b@c.d", &long]
        {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
    }
}

//! Identifiers and codes, each parsed once at the door.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Invalid;

/// Namespace of everything that is derived from a customer and an idempotency key.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f0b_5a1e_6d0c_4d2b_9a53_0d7f_1c5e_2f71);

/// How many of the sixteen bytes of an order id say which key made it; the others say whose it is.
const KEY_BYTES: usize = 10;

/// An order's id. It is derived from the customer and the idempotency key, so that a repeated request is the same
/// order without any look-up, and its last six bytes prove whose it is, so that an order still waiting in the queue
/// can be told from one that never was. The proof is no secret: forging it only fools its forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(Uuid);

impl OrderId {
    /// The id of the order that `customer` asked for with `key`.
    pub fn derive(customer: &CustomerId, key: &IdempotencyKey) -> Self {
        let name = format!("order\n{customer}\n{}", key.as_str());
        Self::with_proof(customer, *Uuid::new_v5(&NAMESPACE, name.as_bytes()).as_bytes())
    }

    /// Whether an order of this id can have been asked for by `customer`.
    pub fn belongs_to(self, customer: &CustomerId) -> bool {
        self == Self::with_proof(customer, *self.0.as_bytes())
    }

    fn with_proof(customer: &CustomerId, mut bytes: [u8; 16]) -> Self {
        // The version and variant bits are set before the proof is taken, so that it covers what the id will hold.
        bytes = *Uuid::new_v8(bytes).as_bytes();
        let mut name = format!("owner\n{customer}\n").into_bytes();
        name.extend_from_slice(&bytes[..KEY_BYTES]);
        let proof = Uuid::new_v5(&NAMESPACE, &name);
        bytes[KEY_BYTES..].copy_from_slice(&proof.as_bytes()[..16 - KEY_BYTES]);
        Self(Uuid::new_v8(bytes))
    }

    /// The id as PostgreSQL stores it.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for OrderId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One command's id: what a caller waits for, and what makes a redelivered command harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

impl CommandId {
    /// A command of its own, for a request without an idempotency key.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }

    /// The command that `customer` gave with `key`; `scope` keeps equal keys of different calls apart.
    pub fn derive(scope: &str, customer: &CustomerId, key: &IdempotencyKey) -> Self {
        let name = format!("{scope}\n{customer}\n{}", key.as_str());
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl From<OrderId> for CommandId {
    /// Placing an order is the command whose id is the order's.
    fn from(id: OrderId) -> Self {
        Self(id.0)
    }
}

/// What a request asked for, as a hash: the same key with another fingerprint is another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub Uuid);

impl Fingerprint {
    /// The fingerprint of a canonical text.
    pub fn of(canonical: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, canonical.as_bytes()))
    }

    /// The fingerprint of this and of what is asked for besides, if anything is: who asks for nothing more keeps theirs.
    pub fn and(self, besides: &[String]) -> Self {
        if besides.is_empty() { self } else { Self::of(&format!("{}\n{}", self.0, besides.join("\n"))) }
    }
}

/// A stock-keeping unit's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SkuId(pub i64);

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $must:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a text from outside, or says which rule it breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(Invalid::new($field, $must)) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) use text_type;

text_type!(
    /// A buyer, as the shop names them.
    CustomerId,
    "customer",
    "1 to 64 visible ASCII characters",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

text_type!(
    /// The key under which a request may be repeated: taken plain, and in the quoted form of the IETF draft
    /// `draft-ietf-httpapi-idempotency-key-header`.
    IdempotencyKey,
    "Idempotency-Key",
    "1 to 255 visible ASCII characters",
    |text| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
);

text_type!(
    /// A SKU as shops write it.
    SkuCode,
    "sku",
    "1 to 64 of the characters A-Z a-z 0-9 . _ -",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
);

text_type!(ProductName, "name", "1 to 200 characters without control characters", |text| (1..=200)
    .contains(&text.chars().count())
    && !text.chars().any(char::is_control));

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(name: &str) -> CustomerId {
        CustomerId::parse(name).unwrap()
    }

    #[test]
    fn an_order_id_is_the_same_for_the_same_key_and_proves_its_owner() {
        let key = IdempotencyKey::parse("k-1").unwrap();
        let id = OrderId::derive(&customer("alice"), &key);
        assert_eq!(id, OrderId::derive(&customer("alice"), &key));
        assert_ne!(id, OrderId::derive(&customer("bob"), &key));
        assert!(id.belongs_to(&customer("alice")));
        assert!(!id.belongs_to(&customer("bob")));
        assert!(!OrderId::from(Uuid::now_v7()).belongs_to(&customer("alice")));
    }

    #[test]
    fn texts_with_control_characters_are_refused() {
        assert!(ProductName::parse("a\0b").is_err());
        assert!(CustomerId::parse("a b").is_err());
        assert!(SkuCode::parse("mug/blue").is_err());
        assert!(SkuCode::parse("").is_err());
    }
}

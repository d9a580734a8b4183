//! Links by which somebody signs in. All that a link says is in it, signed: asking for one writes nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::serde::ts_seconds;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::domain::contact::EmailAddress;
use crate::domain::shop_path::ShopPath;
use crate::peers::secret::Secret;

/// A shorter secret can be guessed.
pub const SHORTEST_SECRET: usize = 32;

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInLink {
    /// Whom it signs in: it was mailed there, in small letters.
    pub email: EmailAddress,
    /// It is good before this instant by PostgreSQL's clock, once.
    #[serde(with = "ts_seconds")]
    pub expires_at: DateTime<Utc>,
    /// Its name, by which it is spent.
    pub id: Uuid,
    /// Where its owner goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ShopPath>,
}

/// Signs links and knows its own.
pub struct LinkSigner(Hmac<Sha256>);

impl LinkSigner {
    /// With a secret of at least [`SHORTEST_SECRET`] bytes.
    pub fn new(secret: &Secret) -> Option<Self> {
        let key = secret.expose().as_bytes();
        let mac = (key.len() >= SHORTEST_SECRET).then(|| Hmac::new_from_slice(key).ok())?;
        mac.map(Self)
    }

    /// The link as text that fits into a URL.
    pub fn sign(&self, link: &SignInLink) -> String {
        let said = URL_SAFE_NO_PAD.encode(serde_json::to_vec(link).unwrap_or_default());
        let signature = self.mac_of(&said).finalize().into_bytes();
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a link says, if it is one of ours. Whether it is still good is another question.
    pub fn read(&self, text: &str) -> Option<SignInLink> {
        let (said, signature) = text.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac_of(said).verify_slice(&signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).ok()?).ok()
    }

    fn mac_of(&self, said: &str) -> Hmac<Sha256> {
        self.0.clone().chain_update(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secret: &str) -> Option<LinkSigner> {
        LinkSigner::new(&Secret::from(secret.to_owned()))
    }

    #[test]
    fn a_link_is_read_by_whoever_signed_it_and_as_it_was_signed() {
        let ours = signer(&"a".repeat(32)).unwrap();
        let link = SignInLink {
            email: EmailAddress::parse("alice@example.com").unwrap(),
            expires_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            id: Uuid::nil(),
            next: Some(ShopPath::parse("/shop/cart").unwrap()),
        };
        let text = ours.sign(&link);
        assert_eq!(ours.read(&text), Some(link.clone()));
        assert_eq!(signer(&"b".repeat(32)).unwrap().read(&text), None);
        let other = ours.sign(&SignInLink { email: EmailAddress::parse("bob@example.com").unwrap(), ..link });
        let (said, signature) = (text.split_once('.').unwrap(), other.split_once('.').unwrap());
        for forged in [
            format!("{}.{}", signature.0, said.1),
            said.0.to_owned(),
            format!("{}.", said.0),
            format!("{}.{}", said.0, &said.1[..20]),
            format!("{text}A"),
            String::new(),
            ".".to_owned(),
        ] {
            assert_eq!(ours.read(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_short_secret_is_none() {
        assert!(signer(&"a".repeat(31)).is_none());
    }
}

//! Webhooks after Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, with every live secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use sha2::Sha256;

use super::secret::Secret;

/// A webhook's time may differ from ours by this much, either way.
pub const TOLERANCE_SECONDS: i64 = 300;
/// Signatures of one webhook that are looked at: a sender has as many as it has live secrets.
const MOST_SIGNATURES: usize = 8;
/// The longest id of a webhook.
const LONGEST_ID: usize = 255;

/// Why a webhook is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is not there or is nothing like it should be: 401.
    #[error("the webhook has no valid {0} header")]
    Header(&'static str),
    /// It was sent too long ago, or in the future: 401.
    #[error("the webhook's time is not within five minutes of ours")]
    Stale,
    /// No live secret makes one of its signatures: 401.
    #[error("the webhook's signature does not match")]
    Forged,
    /// It is what its sender signed, but cannot be read: 400.
    #[error("the webhook's body is not an event")]
    Malformed,
}

/// A secret that is none. The text does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret must be whsec_ and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

/// The secrets that are live: one, or two while one replaces the other.
#[derive(Clone, Default)]
pub struct WebhookSecrets(Vec<Vec<u8>>);

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} redacted]", self.0.len())
    }
}

impl WebhookSecrets {
    /// Takes texts such as `whsec_MfKQ…`; empty ones are left out.
    pub fn parse(texts: &[Secret]) -> Result<Self, InvalidSecret> {
        let one = |text: &str| {
            let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
            (24..=64).contains(&bytes.len()).then_some(bytes)
        };
        let texts = texts.iter().map(|text| text.expose().trim()).filter(|text| !text.is_empty());
        texts.map(|text| one(text).ok_or(InvalidSecret)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether webhooks can be checked at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `webhook-signature` header for a body of ours: a signature for each secret.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let one = |secret: &Vec<u8>| {
            let signature = mac(secret, id, timestamp, body).finalize().into_bytes();
            format!("v1,{}", STANDARD.encode(signature))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Checks time and signature; returns the webhook's id.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<String, WebhookError> {
        let id = id_header(headers, "webhook-id")?;
        let timestamp: i64 = header(headers, "webhook-timestamp")
            .and_then(|text| text.parse().ok())
            .ok_or(WebhookError::Header("webhook-timestamp"))?;
        let signatures =
            header(headers, "webhook-signature").ok_or(WebhookError::Header("webhook-signature"))?;
        // Far-off times are compared without overflow.
        if now.timestamp().abs_diff(timestamp) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(WebhookError::Stale);
        }
        let candidates: Vec<Vec<u8>> = signatures
            .split_ascii_whitespace()
            .take(MOST_SIGNATURES)
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .collect();
        let matches = self.0.iter().any(|secret| {
            // `verify_slice` takes the same time wherever the first difference is.
            let mac = mac(secret, id, timestamp, body);
            candidates.iter().any(|candidate| mac.clone().verify_slice(candidate).is_ok())
        });
        if matches { Ok(id.to_owned()) } else { Err(WebhookError::Forged) }
    }
}

fn mac(secret: &[u8], id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    mac
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A header that names a webhook.
pub fn id_header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, WebhookError> {
    header(headers, name).filter(|id| (1..=LONGEST_ID).contains(&id.len())).ok_or(WebhookError::Header(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000;

    fn secrets(seeds: &[u8]) -> WebhookSecrets {
        let text = |seed: &u8| Secret::from(format!("whsec_{}", STANDARD.encode([*seed; 32])));
        WebhookSecrets::parse(&seeds.iter().map(text).collect::<Vec<_>>()).unwrap()
    }

    fn headers(id: &str, timestamp: i64, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    #[test]
    fn the_example_of_the_standard_is_signed_as_it_says() {
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signed = WebhookSecrets::parse(&[secret]).unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_secrets_rotate_either_one_will_do() {
        let (old, new, both, other) = (secrets(&[1]), secrets(&[2]), secrets(&[1, 2]), secrets(&[3]));
        let by = |sender: &WebhookSecrets, receiver: &WebhookSecrets| {
            receiver.verify(&headers("m", NOW, &sender.sign("m", NOW, b"{}")), b"{}", now())
        };
        assert_eq!(by(&old, &both), Ok("m".to_owned()));
        assert_eq!(by(&new, &both), Ok("m".to_owned()));
        assert_eq!(by(&both, &new), Ok("m".to_owned()));
        assert_eq!(by(&other, &both), Err(WebhookError::Forged));
        assert_eq!(by(&both, &WebhookSecrets::default()), Err(WebhookError::Forged));
    }

    #[test]
    fn a_webhook_is_taken_within_five_minutes_either_way() {
        let secrets = secrets(&[1]);
        let at = |time: i64| secrets.verify(&headers("m", time, &secrets.sign("m", time, b"")), b"", now());
        assert!(at(NOW - 300).is_ok() && at(NOW + 300).is_ok());
        for time in [NOW - 301, NOW + 301, 0, i64::MIN, i64::MAX] {
            assert_eq!(at(time), Err(WebhookError::Stale), "{time}");
        }
    }

    #[test]
    fn secrets_are_checked_without_being_told() {
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_!!"] {
            let error = WebhookSecrets::parse(&[Secret::from(bad.to_owned())]).unwrap_err();
            assert!(!error.to_string().contains(bad.trim_start_matches("whsec_")) || bad == "whsec_");
        }
        assert_eq!(format!("{:?}", secrets(&[1, 2])), "[2 redacted]");
    }

    proptest! {
        #[test]
        fn no_signature_stands_for_another_message(
            body in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..64, flip in 1u8..=255,
        ) {
            let secrets = secrets(&[1]);
            let headers = headers("m", NOW, &secrets.sign("m", NOW, &body));
            prop_assert!(secrets.verify(&headers, &body, now()).is_ok());
            let mut other = body.clone();
            match other.get_mut(at) {
                Some(byte) => *byte ^= flip,
                None => other.push(flip),
            }
            prop_assert_eq!(secrets.verify(&headers, &other, now()), Err(WebhookError::Forged));
        }
    }
}

//! The keys by which a shop signs who its customers are. What a key is good for is the key's own, and no caller's to say.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::sign_in_link::SHORTEST_SECRET;
use crate::peers::secret::Secret;

/// How long a key for RS256 is. A shorter one can be broken, and a longer one is not taken by who verifies.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// How long a key for EdDSA is.
const ED25519_BYTES: usize = 32;

/// How a shop hands its own customers over.
#[derive(Args, Clone, Debug, Default)]
pub struct HandOverSettings {
    /// Signs, by HS256, the JWTs by which a shop hands its customers over: at least 32 characters; instead of public keys
    #[arg(long, env = "HOLDFAST_JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Option<Secret>,
    /// A file with the public keys (JWKS: RS256, ES256, EdDSA) of who signs such JWTs; read at the start
    #[arg(long, env = "HOLDFAST_JWT_KEYS")]
    pub jwt_keys: Option<String>,
}

/// Why no shop can hand its customers over. No text tells a secret, or what is in a file.
#[derive(Debug, thiserror::Error)]
pub enum JwtKeysError {
    #[error("HOLDFAST_JWT_SECRET must have at least {SHORTEST_SECRET} characters")]
    ShortSecret,
    #[error("HOLDFAST_JWT_SECRET and HOLDFAST_JWT_KEYS are both set; a JWT is signed by one or the other")]
    Both,
    #[error("HOLDFAST_JWT_KEYS cannot be read")]
    Unreadable(#[source] std::io::Error),
    #[error("HOLDFAST_JWT_KEYS is no JWKS with a key")]
    NoKeys,
    #[error(
        "key {0} of HOLDFAST_JWT_KEYS is none for RS256 (2048 to 4096 bits), ES256 or EdDSA (Ed25519), or not to sign with"
    )]
    Unusable(usize),
    #[error("of several keys in HOLDFAST_JWT_KEYS each needs a kid of its own")]
    Unnamed,
}

impl HandOverSettings {
    /// The keys, if any are set. An empty variable is how a compose file says "not set".
    pub fn open(&self) -> Result<Option<JwtKeys>, JwtKeysError> {
        let secret = self.jwt_secret.as_ref().filter(|secret| !secret.expose().is_empty());
        let file = self.jwt_keys.as_ref().filter(|file| !file.is_empty()).map(Path::new);
        match (secret, file) {
            (None, None) => Ok(None),
            (Some(secret), None) => JwtKeys::from_secret(secret).map(Some),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).map_err(JwtKeysError::Unreadable)?;
                JwtKeys::from_jwks(&text).map(Some)
            }
            (Some(_), Some(_)) => Err(JwtKeysError::Both),
        }
    }
}

/// Keys of one shop: one without a name, or some that each have their own.
pub struct JwtKeys(Vec<JwtKey>);

/// A key, and the one algorithm that it is good for.
pub struct JwtKey {
    name: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

impl JwtKeys {
    /// A secret that the shop has too.
    pub fn from_secret(secret: &Secret) -> Result<Self, JwtKeysError> {
        let secret = secret.expose().as_bytes();
        let key = (secret.len() >= SHORTEST_SECRET).then(|| DecodingKey::from_secret(secret).ok()).flatten();
        let key = key.ok_or(JwtKeysError::ShortSecret)?;
        Ok(Self(vec![JwtKey { name: None, algorithm: Algorithm::HS256, key }]))
    }

    /// The public keys of a JWKS.
    pub fn from_jwks(text: &str) -> Result<Self, JwtKeysError> {
        let set: JwkSet = serde_json::from_str(text).map_err(|_| JwtKeysError::NoKeys)?;
        let keys = set.keys.iter().enumerate();
        let keys = keys.map(|(at, jwk)| JwtKey::read(jwk).ok_or(JwtKeysError::Unusable(at + 1)));
        let keys: Vec<JwtKey> = keys.collect::<Result<_, _>>()?;
        let is_alone = |key: &JwtKey| {
            key.name.is_some() && keys.iter().filter(|other| other.name == key.name).count() == 1
        };
        match keys.len() {
            0 => Err(JwtKeysError::NoKeys),
            1 => Ok(Self(keys)),
            _ if keys.iter().all(is_alone) => Ok(Self(keys)),
            _ => Err(JwtKeysError::Unnamed),
        }
    }

    /// The key of this name; without a name, the only one.
    pub fn named(&self, name: Option<&str>) -> Option<&JwtKey> {
        match (name, self.0.as_slice()) {
            // What has no name is alone, whatever a shop calls it.
            (None, [only]) | (Some(_), [only @ JwtKey { name: None, .. }]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.name.as_deref() == name),
        }
    }
}

impl JwtKey {
    /// A public key to sign by, of a kind that we know.
    fn read(jwk: &Jwk) -> Option<Self> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) if RSA_BYTES.contains(&length_of(&rsa.n)) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(pair)
                if pair.curve == EllipticCurve::Ed25519
                    // Who verifies expects all of them there.
                    && URL_SAFE_NO_PAD.decode(&pair.x).is_ok_and(|x| x.len() == ED25519_BYTES) =>
            {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let (said, used) = (jwk.common.key_algorithm, &jwk.common.public_key_use);
        if said.is_some_and(|said| said != KeyAlgorithm::from(algorithm))
            || used.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature)
        {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        // What is no point of its curve is found out now, and not when the first customer comes.
        verify("", &[], &key, algorithm).ok()?;
        Some(Self { name: jwk.common.key_id.clone(), algorithm, key })
    }
}

/// Bytes of a number, but for zeros before it; none if it is not written as a JWK writes numbers.
fn length_of(number: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(number).unwrap_or_default();
    bytes.iter().skip_while(|byte| **byte == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::{Value, json};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        settings: HandOverSettings,
    }

    fn open(arguments: &[&str]) -> Result<Option<JwtKeys>, JwtKeysError> {
        Program::try_parse_from([&["program"], arguments].concat()).unwrap().settings.open()
    }

    /// Of RFC 8037, appendix A.
    fn ed25519(more: Value) -> Value {
        let mut key =
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        more.as_object().unwrap().iter().for_each(|(name, value)| key[name] = value.clone());
        key
    }

    fn jwks(keys: &[Value]) -> Result<JwtKeys, JwtKeysError> {
        JwtKeys::from_jwks(&json!({"keys": keys}).to_string())
    }

    #[test]
    fn half_a_configuration_is_refused_and_none_is_none() {
        let secret = ["--jwt-secret", "0123456789abcdef0123456789abcdef"];
        for none in [&[][..], &["--jwt-secret", "", "--jwt-keys", ""]] {
            assert!(open(none).unwrap().is_none());
        }
        assert!(open(&secret).unwrap().unwrap().named(Some("whatever")).is_some());
        let both = [&secret[..], &["--jwt-keys", "keys.json"]].concat();
        for bad in [&["--jwt-secret", "hush"][..], &["--jwt-keys", "/no/such/file"], &both] {
            let error = open(bad).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    #[test]
    fn only_public_keys_of_known_kinds_are_taken_and_several_need_names() {
        let one = jwks(&[ed25519(json!({}))]).unwrap();
        assert!(one.named(None).is_some() && one.named(Some("any")).is_some());
        let named = jwks(&[ed25519(json!({"kid": "a", "alg": "EdDSA", "use": "sig"}))]).unwrap();
        assert!(named.named(None).is_some() && named.named(Some("a")).is_some());
        assert!(named.named(Some("b")).is_none());
        let two = jwks(&[ed25519(json!({"kid": "a"})), ed25519(json!({"kid": "b"}))]).unwrap();
        assert!(two.named(None).is_none() && two.named(Some("b")).is_some());
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        for bad in [
            ed25519(json!({"use": "enc"})),
            ed25519(json!({"alg": "HS256"})),
            ed25519(json!({"crv": "P-256"})),
            ed25519(json!({"x": "AQAB"})),
            json!({"kty": "EC", "crv": "P-256", "x": x, "y": x}),
            json!({"kty": "EC", "crv": "P-384", "x": x, "y": x}),
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB"}),
            json!({"kty": "oct", "k": x}),
            json!({"kty": "new"}),
        ] {
            assert!(
                matches!(jwks(&[ed25519(json!({})), bad.clone()]), Err(JwtKeysError::Unusable(2))),
                "{bad}"
            );
        }
        for unnamed in [[json!({}), json!({"kid": "a"})], [json!({"kid": "a"}), json!({"kid": "a"})]] {
            assert!(matches!(jwks(&unnamed.map(ed25519)), Err(JwtKeysError::Unnamed)));
        }
        for none in ["", "[]", "{}", r#"{"keys": []}"#] {
            assert!(JwtKeys::from_jwks(none).is_err(), "{none}");
        }
    }
}

//! Customers whom a shop hands over by a JWT. All that it says is read here; whether it was used before, PostgreSQL knows.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;

use super::jwt_keys::JwtKeys;
use crate::domain::contact::EmailAddress;
use crate::domain::ids::CustomerId;
use crate::domain::shop_path::ShopPath;

/// A longer JWT is not looked at.
const LONGEST_BYTES: usize = 8 * 1024;
/// Whom a JWT has to be for: a shop signs others, for others.
const AUDIENCE: &str = "holdfast";
/// No JWT is good for longer, so that what was used need not be remembered for longer.
const LONGEST_MINUTES: i64 = 10;
/// So much a shop's clock may differ from PostgreSQL's.
const LEEWAY_SECONDS: i64 = 30;
const LONGEST_NAME: usize = 200;

/// What a JWT says.
#[derive(Debug)]
pub struct HandedOver {
    pub customer: CustomerId,
    /// Its own name, by which it is spent.
    pub name: String,
    /// Where to write to, if nothing else is known.
    pub email: Option<EmailAddress>,
    /// Where its customer goes on.
    pub next: Option<ShopPath>,
    begins_at: Option<DateTime<Utc>>,
    ends_at: DateTime<Utc>,
}

/// As they are written, times in seconds and perhaps parts of them.
#[derive(Deserialize)]
struct Claims {
    sub: CustomerId,
    jti: String,
    exp: f64,
    nbf: Option<f64>,
    email: Option<String>,
    next: Option<ShopPath>,
}

impl HandedOver {
    /// What a JWT says, if one of these keys has signed it for us. Whether it is still good is another question.
    pub fn read(keys: &JwtKeys, jwt: &str) -> Option<Self> {
        if jwt.len() > LONGEST_BYTES {
            return None;
        }
        let key = keys.named(decode_header(jwt).ok()?.kid.as_deref())?;
        let mut validation = Validation::new(key.algorithm);
        // It would ask the clock of this machine.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["aud"]);
        validation.set_audience(&[AUDIENCE]);
        let said: Claims = decode(jwt, &key.key, &validation).ok()?.claims;
        (1..=LONGEST_NAME).contains(&said.jti.chars().count()).then_some(())?;
        Some(Self {
            customer: said.sub,
            name: said.jti,
            email: said.email.map(EmailAddress::parse).transpose().ok()?,
            next: said.next,
            begins_at: match said.nbf {
                Some(seconds) => Some(at(seconds)?),
                None => None,
            },
            ends_at: at(said.exp)?,
        })
    }

    /// Whether it is good at this time, by PostgreSQL's clock.
    pub fn is_good_at(&self, now: DateTime<Utc>) -> bool {
        let leeway = TimeDelta::seconds(LEEWAY_SECONDS);
        let latest = now + TimeDelta::minutes(LONGEST_MINUTES) + leeway;
        let has_begun = self.begins_at.is_none_or(|begins_at| begins_at <= now + leeway);
        has_begun && self.ends_at <= latest && now < self.is_over_at()
    }

    /// From this instant on it is no good.
    pub fn is_over_at(&self) -> DateTime<Utc> {
        self.ends_at + TimeDelta::seconds(LEEWAY_SECONDS)
    }
}

/// An instant that is so many seconds after the beginning of 1970, and lies in years of four digits.
fn at(seconds: f64) -> Option<DateTime<Utc>> {
    let sensible = (0.0..253_402_300_800.0).contains(&seconds);
    // What is after the point is cut off.
    sensible.then(|| DateTime::from_timestamp(seconds as i64, 0)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_700_000_000;
    /// An RSA key whose private part nobody has any more, and what it once signed.
    const MODULUS: &str = "\
        uIl5TPxhes8ZCgInJxKk2czQYEs--rxEsxA-Fb_WljbcAV1-Xr32VvCeMQgNKRQ9VoZRiQO65EG1Je3y592-sb4aCRSJcvUa\
        u1LwQe0xHz4HjWoprZYv8AiyIaOqhG2GZMaAM39bVfJXh6sMu0RQf94txVb7kS0wFcCZZWoVLaZeXk_pR5LPl8VD6kpvSeeA\
        N8nnB51g0gqTS1n-kunC21edCBAZSdWC-RF34lscdEu7Nfwhtkhgg1ZanUL9zRH3CijBAeOWHMyaxwvs8Wydc3EDZjb7iExi\
        IZHftbtyxmrs5uHq_DkptLgbTEwROpD8vumx1_LtK9XBaX35wTfWDw";
    const BY_RSA: &str = "\
        eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJob2xkZmFzdCIsInN1YiI6ImFsaWNlIiwianRpIjoib25lIiwiZXhwIjoxNzAwMDA\
        wMDAwfQ.btyuciJ6Znw73ez6UM43q5GJyzQvdGqTF-18nmMxQUa0gwJgM-S5BxVlh4BDl4quu5F9bZE0mbvIDBwMa1xoGZ2S\
        xpKMmR1ddyyXg1pugcjbKgKk2E8PgXnpD_9sauPFSpbTHjkYILc3gBpqW8fHrOX8zo5OV8xU9YLWcR-3ceLslyl674tFQZw8\
        Sr9ONXx5dBrkEtIy-8roLUNoW1L8Aqav9YoveML4F7km1HWk_bltJ0gK51KtsJxGuQioWQTD-Xp2I1aglZpA2InCtsfSDSrL\
        pUJe2Z8n3xJJyMiWoONe3AAns7bmNT2tDSon6satS7uTD7QDl_UbBhPqD40E-w";

    fn read(claims: &Value) -> Option<HandedOver> {
        let key = EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
        let keys = JwtKeys::from_secret(&SECRET.to_owned().into()).unwrap();
        HandedOver::read(&keys, &encode(&Header::default(), claims, &key).unwrap())
    }

    fn claims(more: Value) -> Value {
        let mut claims = json!({"aud": "holdfast", "sub": "alice", "jti": "one", "exp": NOW});
        more.as_object().unwrap().iter().for_each(|(name, value)| claims[name] = value.clone());
        claims
    }

    #[test]
    fn times_are_postgresqls_and_clocks_may_differ_a_little() {
        let good = |more: Value, seconds: i64| {
            let said = read(&claims(more)).unwrap();
            said.is_good_at(DateTime::from_timestamp(NOW + seconds, 0).unwrap())
        };
        for (seconds, is_good) in [(-631, false), (-630, true), (0, true), (29, true), (30, false)] {
            assert_eq!(good(json!({}), seconds), is_good, "{seconds}");
            assert_eq!(good(json!({"exp": NOW as f64 + 0.5}), seconds), is_good, "{seconds}");
        }
        assert!(good(json!({"nbf": NOW - 270}), -300));
        assert!(!good(json!({"nbf": NOW - 269}), -300));
    }

    #[test]
    fn what_a_jwt_says_has_to_be_all_there_and_right() {
        let said = read(&claims(json!({
            "aud": ["other", "holdfast"], "email": "alice@example.com", "next": "/shop/cart", "iss": "us", "jti": "가".repeat(200),
        })))
        .unwrap();
        assert_eq!((said.customer.as_str(), said.next.unwrap().as_str()), ("alice", "/shop/cart"));
        assert_eq!(said.email.unwrap().as_str(), "alice@example.com");
        assert!(read(&claims(json!({"email": null, "next": null, "nbf": null}))).is_some());
        for bad in [
            json!({"aud": "other"}),
            json!({"aud": ["other"]}),
            json!({"aud": null}),
            json!({"sub": null}),
            json!({"sub": ""}),
            json!({"sub": "앨리스"}),
            json!({"sub": 7}),
            json!({"jti": null}),
            json!({"jti": ""}),
            json!({"jti": "a".repeat(201)}),
            json!({"exp": null}),
            json!({"exp": "soon"}),
            json!({"exp": -1}),
            json!({"exp": 1e300}),
            json!({"nbf": "now"}),
            json!({"email": "alice"}),
            json!({"next": "https://evil.example/shop"}),
            json!({"more": "a".repeat(8 * 1024)}),
        ] {
            assert!(read(&claims(bad.clone())).is_none(), "{bad}");
        }
        assert!(read(&json!({"aud": "holdfast", "sub": "alice", "jti": "one"})).is_none());
    }

    #[test]
    fn an_rsa_key_is_good_for_its_one_algorithm() {
        let keys = |algorithm: &str| {
            let key = json!({"kty": "RSA", "n": MODULUS, "e": "AQAB", "alg": algorithm});
            JwtKeys::from_jwks(&json!({"keys": [key]}).to_string())
        };
        let rs256 = keys("RS256").unwrap();
        assert_eq!(HandedOver::read(&rs256, BY_RSA).unwrap().customer.as_str(), "alice");
        let forged = BY_RSA.replacen("btyuciJ6", "btyuciJ7", 1);
        assert!(HandedOver::read(&rs256, &forged).is_none());
        let secret = EncodingKey::from_secret(MODULUS.as_bytes()).unwrap();
        let confused = encode(&Header::default(), &claims(json!({})), &secret).unwrap();
        assert!(HandedOver::read(&rs256, &confused).is_none());
        for other in ["PS256", "RS512", "HS256"] {
            assert!(keys(other).is_err(), "{other}");
        }
    }
}

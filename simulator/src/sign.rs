//! Signatures after Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The bytes of a secret such as `whsec_MfKQ…`.
pub(crate) fn parse_secret(text: &str) -> anyhow::Result<Vec<u8>> {
    let encoded = text.strip_prefix("whsec_").context("a webhook secret begins with whsec_")?;
    let bytes = STANDARD.decode(encoded).ok().context("a webhook secret is base64 after whsec_")?;
    if !(24..=64).contains(&bytes.len()) {
        bail!("a webhook secret has 24 to 64 bytes");
    }
    Ok(bytes)
}

/// The `webhook-signature` header: one signature for each secret.
pub(crate) fn signatures(secrets: &[Vec<u8>], id: &str, timestamp: i64, body: &str) -> String {
    let signed = format!("{id}.{timestamp}.{body}");
    let one = |secret: &Vec<u8>| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
        mac.update(signed.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

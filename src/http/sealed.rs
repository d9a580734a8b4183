//! Places on lists that are handed to callers and tell them nothing: where a page stopped may be something that they do not see.
//! The same place has the same seal, so that the answer with it has the same tag.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

/// What is sealed is filled up to a multiple of this, so that its length does not tell much either.
const BLOCK: usize = 64;

/// Seals and opens.
#[derive(Debug)]
pub struct Seal {
    lock: LessSafeKey,
    /// Gives each text a nonce of its own: another text never meets the same one.
    nonces: hmac::Key,
}

impl Seal {
    /// With keys that are made from this secret.
    pub fn new(secret: &[u8]) -> Option<Self> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key =
            UnboundKey::new(&CHACHA20_POLY1305, hmac::sign(&secret, b"texts of cursors").as_ref()).ok()?;
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, b"nonces of cursors").as_ref());
        Some(Self { lock: LessSafeKey::new(key), nonces })
    }

    /// A text that only somebody with this seal can read. It does not end in spaces.
    pub fn close(&self, text: &str) -> String {
        let length = text.len().div_ceil(BLOCK) * BLOCK;
        let text = format!("{text:length$}", length = text.chars().count() + length - text.len());
        let tag = hmac::sign(&self.nonces, text.as_bytes());
        let mut sealed = tag.as_ref()[..NONCE_LEN].to_vec();
        let mut bytes = text.into_bytes();
        let Some(nonce) = nonce(&sealed) else { return String::new() };
        if self.lock.seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes).is_err() {
            return String::new();
        }
        sealed.extend(bytes);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// What was sealed, if it is one of ours and nobody has changed it.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let mut text = bytes.split_off(NONCE_LEN.min(bytes.len()));
        let text = self.lock.open_in_place(nonce(&bytes)?, Aad::empty(), &mut text).ok()?;
        std::str::from_utf8(text).ok().map(|text| text.trim_end_matches(' ').to_owned())
    }
}

fn nonce(bytes: &[u8]) -> Option<Nonce> {
    Nonce::try_assume_unique_for_key(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_read_by_its_seal_alone_and_not_when_it_was_changed() {
        let (seal, other) = (Seal::new(&[1; 32]).unwrap(), Seal::new(&[2; 32]).unwrap());
        for text in ["a", "", "머그 {\"id\":1}", &"x".repeat(64), &"가".repeat(400)] {
            let sealed = seal.close(text);
            assert_eq!(seal.open(&sealed).as_deref(), Some(text));
            assert_eq!((seal.close(text), other.open(&sealed)), (sealed.clone(), None));
            let changed = format!("{}{}", if sealed.starts_with('A') { 'B' } else { 'A' }, &sealed[1..]);
            assert_eq!(seal.open(&changed), None);
        }
        assert_eq!(seal.close("a").len(), seal.close("bcd").len());
        assert_ne!(seal.close("a"), seal.close("b"));
        for bad in ["", "A", "AAAAAAAAAAAAAAAA", "~", "가"] {
            assert_eq!(seal.open(bad), None, "{bad}");
        }
    }
}

//! Idempotency keys. As with the real gateway a key alone names an answer; the bodies are not compared.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::call::Reply;
use crate::error::ApiError;

/// Characters a key may have.
const LONGEST: usize = 300;

enum Entry {
    InFlight,
    Answered(Reply),
}

/// The answers given under keys, for ever: a simulator does not live for the fifteen days they are kept.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<String, Entry>>);

impl Answers {
    /// Begins a call under its key. `Ok(Some)` is the answer it got before.
    pub(crate) fn begin(&self, key: &str) -> Result<Option<Reply>, ApiError> {
        if key.is_empty() || key.chars().count() > LONGEST {
            return Err(ApiError::new(400, "INVALID_IDEMPOTENCY_KEY", "A key has 1 to 300 characters."));
        }
        let mut entries = self.0.lock().expect("no panic while locked");
        match entries.get(key) {
            Some(Entry::Answered(reply)) => Ok(Some(reply.clone())),
            Some(Entry::InFlight) => Err(ApiError::new(
                409,
                "IDEMPOTENT_REQUEST_PROCESSING",
                "A request with this key is being processed.",
            )),
            None => {
                entries.insert(key.to_owned(), Entry::InFlight);
                Ok(None)
            }
        }
    }

    /// Remembers the answer; without one the key is free again.
    pub(crate) fn end(&self, key: &str, reply: Option<Reply>) {
        let mut entries = self.0.lock().expect("no panic while locked");
        match reply {
            Some(reply) => entries.insert(key.to_owned(), Entry::Answered(reply)),
            None => entries.remove(key),
        };
    }
}

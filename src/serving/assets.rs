//! The few files that pages need: part of the program and named by their content, so that browsers may keep them for ever.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

pub struct Asset {
    /// Where it is served: its name holds a part of its hash.
    pub path: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    /// A file below `folder`, which begins and ends with a slash.
    pub fn new(folder: &str, stem: &str, extension: &str, content: &'static str) -> Self {
        let hash = Sha256::digest(content);
        let tag = u64::from_be_bytes(hash[..8].try_into().expect("a hash of 32 bytes"));
        let kind = match extension {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        Self { path: format!("{folder}{stem}-{tag:016x}.{extension}"), kind, content }
    }
}

/// The file of this path, if it is one of these.
pub fn serve<'a>(assets: impl IntoIterator<Item = &'a Asset>, path: &str) -> Option<Response> {
    let asset = assets.into_iter().find(|asset| asset.path == path)?;
    let headers = [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Some((headers, asset.content).into_response())
}

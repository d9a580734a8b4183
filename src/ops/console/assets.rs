//! The console's few files, part of the program and named by their content, so that browsers may keep them for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::http::error::ApiError;

pub struct Asset {
    /// Where it is served: its name holds a part of its hash.
    pub path: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, content: &'static str) -> Self {
        let hash = Sha256::digest(content);
        let tag = u64::from_be_bytes(hash[..8].try_into().expect("a hash of 32 bytes"));
        Self { path: format!("/ops/assets/{stem}-{tag:016x}.{extension}"), kind, content }
    }
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_str!("../../../assets/console.css"))
});
/// Shortcuts of the keyboard.
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "js", JAVASCRIPT, include_str!("../../../assets/console.js")));
/// Refreshes parts of pages: htmx, by its authors, under the Zero-Clause BSD licence beside it.
pub static HTMX: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("htmx", "js", JAVASCRIPT, include_str!("../../../assets/htmx-2.0.11.min.js"))
});
/// The mark in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../../../assets/icon.svg")));

/// Serves one of them.
pub async fn serve(Path(name): Path<String>) -> Result<Response, ApiError> {
    let asked = format!("/ops/assets/{name}");
    let assets = [&*STYLE, &*SCRIPT, &*HTMX, &*ICON];
    let asset = assets.into_iter().find(|asset| asset.path == asked).ok_or(ApiError::NotFound)?;
    let headers = [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.content).into_response())
}

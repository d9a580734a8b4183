//! The console's few files.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::Response;

use crate::http::error::ApiError;
use crate::serving::assets::{self, Asset};

const FOLDER: &str = "/ops/assets/";

pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "console", "css", include_str!("../../../assets/console.css")));
/// Shortcuts of the keyboard.
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "console", "js", include_str!("../../../assets/console.js")));
/// Refreshes parts of pages: htmx, by its authors, under the Zero-Clause BSD licence beside it.
pub static HTMX: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "htmx", "js", include_str!("../../../assets/htmx-2.0.11.min.js")));
/// The mark in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "icon", "svg", include_str!("../../../assets/icon.svg")));

/// Serves one of them.
pub async fn serve(Path(name): Path<String>) -> Result<Response, ApiError> {
    let files = [&*STYLE, &*SCRIPT, &*HTMX, &*ICON];
    assets::serve(files, &format!("{FOLDER}{name}")).ok_or(ApiError::NotFound)
}

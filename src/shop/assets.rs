//! The shop's few files.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};

use super::refused::Refused;
use crate::serving::assets::{self, Asset};

const FOLDER: &str = "/shop/assets/";

pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "shop", "css", include_str!("../../assets/shop.css")));
/// The clock of a hold, and a word about what is no longer new.
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "shop", "js", include_str!("../../assets/shop.js")));
/// Opens the window of Toss Payments.
pub static TOSS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "toss", "js", include_str!("../../assets/shop-toss.js")));
/// Refreshes parts of pages.
pub static HTMX: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "htmx", "js", include_str!("../../assets/htmx-2.0.11.min.js")));
/// The mark in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(FOLDER, "icon", "svg", include_str!("../../assets/icon.svg")));

/// Serves one of them.
pub async fn serve(Path(name): Path<String>) -> Response {
    let files = [&*STYLE, &*SCRIPT, &*TOSS, &*HTMX, &*ICON];
    let found = assets::serve(files, &format!("{FOLDER}{name}"));
    found.unwrap_or_else(|| Refused::not_found().into_response())
}

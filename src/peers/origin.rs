//! Where a request comes from: a page of our own, or another site.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whether a browser says that one of our own pages sent the request. `Sec-Fetch-Site` cannot be set by a page; browsers
/// that do not send it, or not over plain HTTP, send `Origin` with every unsafe request.
pub fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if let Some(site) = text("Sec-Fetch-Site".parse().expect("a header name")) {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text(ORIGIN), text(HOST)) else { return false };
    origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_pages_count_as_ours() {
        assert!(is_own_page(&with(&[("sec-fetch-site", "same-origin")])));
        assert!(is_own_page(&with(&[("origin", "https://ops.shop.kr"), ("host", "ops.shop.kr")])));
        for foreign in [
            vec![],
            vec![("sec-fetch-site", "cross-site"), ("origin", "https://a.kr"), ("host", "a.kr")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "none")],
            vec![("origin", "https://evil.kr"), ("host", "ops.shop.kr")],
            vec![("origin", "null"), ("host", "ops.shop.kr")],
            vec![("host", "ops.shop.kr")],
        ] {
            assert!(!is_own_page(&with(&foreign)), "{foreign:?}");
        }
    }
}

//! Where somebody goes on in the shop once they have signed in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::ids::text_type;

/// A longer one has no place in a link that is mailed.
const LONGEST: usize = 600;

text_type!(
    ShopPath,
    "next",
    "a path of at most 600 visible ASCII characters that begins with /shop",
    |text| {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        // Dots may be written in either way, and a browser takes both for a step up.
        let steps_up = path.contains("..") || path.to_ascii_lowercase().contains("%2e");
        text.len() <= LONGEST
            && (path == "/shop" || path.starts_with("/shop/"))
            && !steps_up
            && !text.contains("//")
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_the_shop_and_nowhere_else() {
        for good in ["/shop", "/shop/cart", "/shop?q=mug", "/shop/products/mug-1.5?size=S#top"] {
            assert!(ShopPath::parse(good).is_ok(), "{good}");
        }
        let long = format!("/shop/{}", "a".repeat(600));
        for bad in [
            "",
            "/",
            "/ops",
            "/shopping",
            "shop/cart",
            "//evil.example/shop",
            "/shop//evil.example",
            "/shop/\\evil",
            "https://evil.example/shop",
            "/shop/../ops",
            "/shop/%2E%2e/ops",
            "/shop/\r\nSet-Cookie: a=b",
            "/shop/ ",
            &long,
        ] {
            assert!(ShopPath::parse(bad).is_err(), "{bad:?}");
        }
    }
}

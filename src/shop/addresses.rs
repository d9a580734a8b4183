//! Where a buyer may be led.

use crate::domain::shop_path::ShopPath;

/// The shop's first page.
pub const HOME: &str = "/shop";

/// The page to sign in on, which leads back to this place.
pub fn sign_in_leading_to(place: &str) -> String {
    format!("/shop/sign-in?{}", serde_urlencoded::to_string([("next", place)]).unwrap_or_default())
}

/// Where to go on, if that is a page of the shop: a link must lead nobody elsewhere.
pub fn local(next: Option<String>) -> String {
    let ours = next.and_then(|next| ShopPath::parse(next).ok());
    ours.map_or_else(|| HOME.to_owned(), |path| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_but_to_the_shop() {
        for good in ["/shop", "/shop/orders?after=1", "/shop?q=mug"] {
            assert_eq!(local(Some(good.to_owned())), good);
        }
        for bad in [
            "https://evil.kr",
            "//evil.kr/shop",
            "/shopevil",
            "/v1/orders",
            "/shop\\@evil",
            "/shop/\r\nX: 1",
            "",
        ] {
            assert_eq!(local(Some(bad.to_owned())), "/shop");
        }
    }
}

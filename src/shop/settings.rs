//! Options of the shop's pages, each with an environment variable.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

/// The pages for buyers.
#[derive(Args, Clone, Debug)]
pub struct ShopSettings {
    /// Where buyers reach this API, such as `https://shop.example.com`; without it there are no pages at `/shop`
    #[arg(long, env = "HOLDFAST_SHOP_URL", value_parser = site_if_set)]
    pub shop_url: Option<Site>,
    /// What the shop is called
    #[arg(long, env = "HOLDFAST_SHOP_NAME", default_value = "Holdfast shop")]
    pub shop_name: String,
    /// A folder whose files are served at `/shop/pictures/`
    #[arg(long, env = "HOLDFAST_SHOP_PICTURES")]
    pub shop_pictures: Option<PathBuf>,
    /// The client key of Toss Payments, whose window buyers pay in
    #[arg(long, env = "HOLDFAST_TOSS_CLIENT_KEY")]
    pub toss_client_key: Option<String>,
    /// A window to pay in that is a page of its own, such as the simulator's `/checkout`; instead of a client key
    #[arg(long, env = "HOLDFAST_PAYMENT_WINDOW_URL", value_parser = page_if_set)]
    pub payment_window_url: Option<Site>,
}

/// The address of a site or page: http or https, without a slash at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site(String);

impl Site {
    /// A site, or a page of one.
    pub fn parse_page(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"';,<>@?#".contains(&byte);
        match rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(is_plain)) {
            Some(_) => Ok(Self(text.trim_end_matches('/').to_owned())),
            None => Err("it has to be http:// or https:// and a host".to_owned()),
        }
    }

    /// Scheme, host and perhaps a port, and nothing after that.
    pub fn parse(text: &str) -> Result<Self, String> {
        let site = Self::parse_page(text)?;
        if site.origin() == site.as_str() {
            Ok(site)
        } else {
            Err("it has to end with the host or port".to_owned())
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Scheme, host and port, as browsers compare them.
    pub fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[after_scheme..].find('/').map_or(self.0.len(), |at| after_scheme + at);
        &self.0[..end]
    }
}

/// An empty variable is how a compose file says "not set".
fn site_if_set(text: &str) -> Result<Site, String> {
    if text.is_empty() { Ok(Site::default()) } else { Site::parse(text) }
}

fn page_if_set(text: &str) -> Result<Site, String> {
    if text.is_empty() { Ok(Site::default()) } else { Site::parse_page(text) }
}

/// How a buyer gets to the window in which cards pay.
#[derive(Debug, Clone)]
pub enum Window {
    /// A page of its own that a link leads to, as the simulator has it.
    Page(Site),
    /// Opened by the script of Toss Payments.
    Toss { client_key: String },
}

impl Window {
    /// Where forms may lead beside our own pages: a browser holds to that also when it is sent on.
    pub fn form_target(&self) -> &str {
        match self {
            Self::Page(page) => page.origin(),
            Self::Toss { .. } => "",
        }
    }
}

/// A shop's front, as it is set up.
#[derive(Debug)]
pub struct ShopFront {
    pub url: Site,
    pub name: String,
    pub pictures: Option<PathBuf>,
    /// Where buyers pay by card, if they can.
    pub window: Option<Window>,
}

impl ShopSettings {
    /// The front that is to be served, if any.
    pub fn front(&self) -> Option<Arc<ShopFront>> {
        let client_key = self.toss_client_key.clone().filter(|key| !key.is_empty());
        let is_set = |site: &Site| !site.0.is_empty();
        let window = match (client_key, self.payment_window_url.clone().filter(is_set)) {
            (Some(client_key), _) => Some(Window::Toss { client_key }),
            (None, Some(page)) => Some(Window::Page(page)),
            (None, None) => None,
        };
        let pictures = self.shop_pictures.clone().filter(|folder| !folder.as_os_str().is_empty());
        let name = self.shop_name.clone();
        self.shop_url.clone().filter(is_set).map(|url| Arc::new(ShopFront { url, name, pictures, window }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_an_origin_and_a_page_may_be_deeper() {
        assert_eq!(Site::parse("https://shop.example.com/").unwrap().as_str(), "https://shop.example.com");
        let window = Site::parse_page("http://127.0.0.1:8082/checkout").unwrap();
        assert_eq!(
            (window.as_str(), window.origin()),
            ("http://127.0.0.1:8082/checkout", "http://127.0.0.1:8082")
        );
        for bad in [
            "",
            "shop.example.com",
            "ftp://a",
            "https://",
            "https:///a",
            "https://a b",
            "https://a;b",
            "https://u@a",
        ] {
            assert!(Site::parse_page(bad).is_err(), "{bad:?}");
        }
        assert!(Site::parse("https://a/b").is_err());
    }
}

//! What a buyer's browser keeps for us: who they are, which cart is theirs, their language, and a word to be told once.

use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use time::Duration;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The token of a customer's session.
    Session,
    /// A guest's secret.
    Guest,
    Language,
    /// The name of a text that the next page tells.
    Told,
}

impl Kept {
    /// Behind TLS the name itself makes browsers insist on `Secure` and on this very host (RFC 6265bis, section 4.1.3.2).
    fn name(self, behind_tls: bool) -> String {
        let name = match self {
            Self::Session => "holdfast-buyer",
            Self::Guest => "holdfast-guest",
            Self::Language => "holdfast-language",
            Self::Told => "holdfast-shop-told",
        };
        if behind_tls { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// As long as what is behind it lasts.
    fn lasts(self) -> Duration {
        match self {
            Self::Session => Duration::days(30),
            Self::Guest => Duration::days(14),
            Self::Language => Duration::days(365),
            Self::Told => Duration::minutes(1),
        }
    }

    /// What the browser shows of it.
    pub fn shown(self, headers: &HeaderMap, behind_tls: bool) -> Option<String> {
        let jar = CookieJar::from_headers(headers);
        let value = jar.get(&self.name(behind_tls))?.value().to_owned();
        Some(value).filter(|value| !value.is_empty())
    }

    /// The cookie that keeps this. A gateway's page leads back here, so the browser has to show it on a link from elsewhere;
    /// forms of other sites are refused by where they come from.
    pub fn keep(self, value: String, behind_tls: bool) -> Cookie<'static> {
        Cookie::build((self.name(behind_tls), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(behind_tls)
            .max_age(self.lasts())
            .build()
    }

    /// The cookie that forgets it.
    pub fn forget(self, behind_tls: bool) -> Cookie<'static> {
        let mut cookie = self.keep(String::new(), behind_tls);
        cookie.make_removal();
        cookie
    }
}

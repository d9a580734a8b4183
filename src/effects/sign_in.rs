//! What the mail says by which somebody signs in.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::contact::EmailAddress;

/// The languages of the shop's own mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Korean.
    #[default]
    Ko,
    /// English.
    En,
}

/// A mail with a link that signs in whoever follows it.
#[derive(Debug)]
pub struct SignInMail<'a> {
    /// Names the mail.
    pub id: Uuid,
    pub to: &'a EmailAddress,
    pub language: Language,
    pub shop_url: &'a str,
    pub link: &'a str,
    pub asked_at: DateTime<Utc>,
    /// How long the link is good for.
    pub minutes: i64,
}

impl SignInMail<'_> {
    pub(super) fn subject(&self) -> &'static str {
        match self.language {
            Language::Ko => "로그인 링크",
            Language::En => "Your link to sign in",
        }
    }

    /// The text: nothing in it comes from whoever asked but the address, which is one of visible ASCII.
    pub(super) fn text(&self) -> String {
        let Self { to, shop_url, link, minutes, .. } = self;
        let to = to.as_str();
        match self.language {
            Language::Ko => format!(
                "{shop_url} 에서 누군가 {to} 주소로 로그인하려고 합니다.\n\
                 본인이 요청하셨다면 아래 링크를 열어 주세요. {minutes}분 안에 한 번만 쓸 수 있습니다.\n\n\
                 {link}\n\n\
                 요청하지 않으셨다면 이 메일을 무시하셔도 됩니다. 링크를 열지 않으면 아무도 로그인할 수 없습니다.\n"
            ),
            Language::En => format!(
                "Somebody asked to sign in at {shop_url} as {to}.\n\
                 If that was you, open this link. It is good for {minutes} minutes, once.\n\n\
                 {link}\n\n\
                 If it was not you, ignore this mail: without the link nobody is signed in.\n"
            ),
        }
    }
}

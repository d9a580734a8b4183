//! What pages say, in the reader's language and manner: texts are in `texts/`, one folder a language.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader as _, langid, static_loader};

use super::Shop;
use super::cookies::Kept;

static_loader! {
    static TEXTS = {
        locales: "./texts",
        fallback_language: "en",
        // Every text is in one direction of writing.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Korean,
}

impl Language {
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Self::English),
            "ko" => Some(Self::Korean),
            _ => None,
        }
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    fn id(self) -> LanguageIdentifier {
        match self {
            Self::English => langid!("en"),
            Self::Korean => langid!("ko"),
        }
    }

    /// The one that a browser likes best of ours (RFC 9110, section 12.5.4).
    pub fn preferred(headers: &HeaderMap) -> Self {
        let header =
            headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (Self::English, 0.0);
        for range in header.split(',') {
            let mut parts = range.split(';');
            let code = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
            let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            if let Some(language) = Self::parse(code.split('-').next().unwrap_or_default())
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }
}

/// A number, however many references a template puts before it.
pub trait Number {
    fn get(&self) -> i64;
}

impl Number for i64 {
    fn get(&self) -> i64 {
        *self
    }
}

impl<N: Number> Number for &N {
    fn get(&self) -> i64 {
        (**self).get()
    }
}

/// A language, and where the reader's clock is.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    pub language: Language,
    pub time_zone: Tz,
}

type Arguments = HashMap<Cow<'static, str>, FluentValue<'static>>;

impl Words {
    /// In the language that was chosen, or else the one that the browser likes best.
    pub fn of_reader(headers: &HeaderMap, shop: &Shop) -> Self {
        let chosen = Kept::Language.shown(headers, shop.behind_tls);
        let chosen = chosen.as_deref().and_then(Language::parse);
        let language = chosen.unwrap_or_else(|| Language::preferred(headers));
        Self { language, time_zone: shop.time_zone }
    }

    /// A text as it is.
    pub fn t(&self, text: &str) -> String {
        TEXTS.lookup(&self.language.id(), text)
    }

    /// A text about a number, `$n`.
    pub fn n(&self, text: &str, n: impl Number) -> String {
        self.with(text, [("n", FluentValue::from(n.get()))])
    }

    /// A text about something that has a name, `$what`.
    pub fn of(&self, text: &str, what: &str) -> String {
        self.with(text, [("what", FluentValue::from(what.to_owned()))])
    }

    /// A text about something that has a name and a number.
    pub fn of_n(&self, text: &str, what: &str, n: impl Number) -> String {
        self.with(text, [("what", FluentValue::from(what.to_owned())), ("n", FluentValue::from(n.get()))])
    }

    fn with<const N: usize>(
        &self,
        text: &str,
        arguments: [(&'static str, FluentValue<'static>); N],
    ) -> String {
        let arguments: Arguments = arguments.into_iter().map(|(name, value)| (name.into(), value)).collect();
        TEXTS.lookup_with_args(&self.language.id(), text, &arguments)
    }

    /// The text of this name, if there is one.
    pub fn find(&self, text: &str) -> Option<String> {
        TEXTS.try_lookup(&self.language.id(), text)
    }

    /// What a family of texts says of a name that the API made, or else of whatever it makes later.
    pub fn kind(&self, family: &str, name: impl AsRef<str>, otherwise: &str) -> String {
        self.find(&format!("{family}-{}", name.as_ref())).unwrap_or_else(|| self.t(otherwise))
    }

    /// An amount, as `19,000` and its currency are written.
    pub fn won(&self, won: impl Number) -> String {
        self.of("amount", &grouped(won.get()))
    }

    /// A share from 0 to 1 as percent.
    pub fn percent(&self, share: &f64) -> String {
        // What is told is never more than is taken off.
        format!("{:.0}%", (share * 100.0 + 1e-9).floor())
    }

    /// A day and time.
    pub fn when(&self, at: &DateTime<Utc>) -> String {
        let at = at.with_timezone(&self.time_zone);
        let form = match self.language {
            Language::English => "%-d %b %Y, %H:%M %Z",
            Language::Korean => "%Y년 %-m월 %-d일 %H:%M %Z",
        };
        at.format(form).to_string()
    }

    /// A time of this day, to the second, and by whose clock.
    pub fn clock(&self, at: &DateTime<Utc>) -> String {
        at.with_timezone(&self.time_zone).format("%H:%M:%S %Z").to_string()
    }
}

/// A number with its thousands apart.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests;

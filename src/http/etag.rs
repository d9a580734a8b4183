//! Entity tags and what callers make depend on them (RFC 9110, sections 8.8.3 and 13.1).
//!
//! A tag is made of a version, of what an answer shows, or of both. Where it is of both, a caller who reads again is told
//! of every change, and one who writes only has to have seen the last version: a unit that is sold meanwhile spoils
//! nobody's new description.

use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;

/// Bytes of a hash that are kept: two answers of one thing meet in them by no accident.
const HASH_BYTES: usize = 12;

/// The strong tag of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of what has a version and nothing that changes beside it.
    pub fn of_version(version: i64) -> Self {
        Self(version.to_string())
    }

    /// The tag of all that an answer shows.
    pub fn of_view(view: &impl Serialize) -> Self {
        Self(hash(view))
    }

    /// The tag of an answer that shows a version, and more that changes beside it.
    pub fn of_version_and_view(version: i64, view: &impl Serialize) -> Self {
        Self(format!("{version}-{}", hash(view)))
    }

    /// The tag as a header says it.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::try_from(format!("\"{}\"", self.0)).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

fn hash(view: &impl Serialize) -> String {
    let json = serde_json::to_vec(view).unwrap_or_default();
    let digest = Sha256::digest(json);
    digest.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// A tag as a caller shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShownTag {
    is_weak: bool,
    text: String,
}

/// What a condition names: whatever there is, or one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NamedTags {
    Anything,
    OneOf(Vec<ShownTag>),
}

/// A request's `If-Match`: it is to be carried out only if the thing is as the caller has seen it.
#[derive(Debug, Clone)]
pub struct IfMatch(Option<NamedTags>);

impl IfMatch {
    /// Whether the caller says what they have seen.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// The same, where nothing is replaced unseen.
    pub fn required(self) -> Result<Self, ApiError> {
        if self.is_there() { Ok(self) } else { Err(ApiError::PreconditionRequired) }
    }

    /// Whether the thing is as the caller has seen it, if they say so. None is what is not there.
    pub fn check(&self, current: Option<&ETag>) -> Result<(), ApiError> {
        self.holds(current.map(|tag| move |shown: &str| shown == tag.0))
    }

    /// The same by the version alone, whatever a tag says beside it.
    pub fn check_version(&self, current: Option<i64>) -> Result<(), ApiError> {
        self.holds(current.map(|version| {
            let version = version.to_string();
            move |shown: &str| shown.split('-').next() == Some(version.as_str())
        }))
    }

    fn holds(&self, is_current: Option<impl Fn(&str) -> bool>) -> Result<(), ApiError> {
        let holds = match (&self.0, is_current) {
            (None, _) | (Some(NamedTags::Anything), Some(_)) => true,
            (Some(_), None) => false,
            // A weak tag says that something is alike, which is not enough to write on.
            (Some(NamedTags::OneOf(tags)), Some(is_current)) => {
                tags.iter().any(|shown| !shown.is_weak && is_current(&shown.text))
            }
        };
        if holds { Ok(()) } else { Err(ApiError::PreconditionFailed) }
    }
}

/// A request's `If-None-Match`: it asks for what the caller has not seen.
#[derive(Debug, Clone)]
pub struct IfNoneMatch(Option<NamedTags>);

impl IfNoneMatch {
    /// Whether the caller has this answer already. A tag that was made weak on its way, as proxies do, is as good.
    pub fn has(&self, current: &ETag) -> bool {
        match &self.0 {
            None => false,
            Some(NamedTags::Anything) => true,
            Some(NamedTags::OneOf(tags)) => tags.iter().any(|shown| shown.text == current.0),
        }
    }

    /// Whether the caller asks that nothing be there yet: `If-None-Match: *`, on a request that makes something.
    pub fn asks_for_nothing_there(&self) -> bool {
        self.0 == Some(NamedTags::Anything)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        named(parts, &IF_MATCH).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        named(parts, &IF_NONE_MATCH).map(Self)
    }
}

/// What a request's headers of this name say together, if there are any.
fn named(parts: &Parts, header: &HeaderName) -> Result<Option<NamedTags>, ApiError> {
    let mut lines = parts.headers.get_all(header).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let bad = || ApiError::BadHeader(format!("{header} must be * or a list of quoted tags"));
    let lines: Option<Vec<&str>> = lines.map(|line| line.to_str().ok()).collect();
    parse(&lines.ok_or_else(bad)?.join(",")).map(Some).ok_or_else(bad)
}

/// Reads `*` or a list of tags, in which there may be empty places.
fn parse(list: &str) -> Option<NamedTags> {
    let mut rest = list.trim();
    if rest == "*" {
        return Some(NamedTags::Anything);
    }
    let mut tags = vec![];
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            break;
        }
        let strong = rest.strip_prefix("W/");
        let (text, after) = strong.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        if text.contains(|letter: char| !letter.is_ascii_graphic()) {
            return None;
        }
        tags.push(ShownTag { is_weak: strong.is_some(), text: text.to_owned() });
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
    if tags.is_empty() { None } else { Some(NamedTags::OneOf(tags)) }
}

/// An answer with its tag, or 304 to a caller who has it already. What it shows differs by who asks, so it is kept for
/// nobody with another token, and as `cache_control` says.
pub fn answer(
    has_it: &IfNoneMatch,
    tag: &ETag,
    cache_control: &'static str,
    body: impl IntoResponse,
) -> Response {
    let mut response = match has_it.has(tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => body.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, tag.header());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(text: &str) -> IfMatch {
        IfMatch(Some(parse(text).unwrap()))
    }

    fn if_none_match(text: &str) -> IfNoneMatch {
        IfNoneMatch(Some(parse(text).unwrap()))
    }

    #[test]
    fn a_write_needs_a_strong_tag_of_what_is_there() {
        let tag = ETag::of_version(7);
        for (shown, holds) in [
            ("\"7\"", true),
            ("*", true),
            ("\"6\", ,\"7\"", true),
            ("W/\"7\"", false),
            ("\"6\"", false),
            ("\"77\"", false),
        ] {
            assert_eq!(if_match(shown).check(Some(&tag)).is_ok(), holds, "{shown}");
            assert_eq!(if_match(shown).check_version(Some(7)).is_ok(), holds, "{shown}");
            assert!(if_match(shown).check(None).is_err(), "what is not there is like nothing that was seen");
        }
        assert!(IfMatch(None).check(None).is_ok());
        assert!(IfMatch(None).required().is_err());
    }

    #[test]
    fn what_changes_beside_a_version_is_new_to_readers_and_no_matter_to_writers() {
        let (old, new) = (ETag::of_version_and_view(7, &[1]), ETag::of_version_and_view(7, &[2]));
        let seen = old.header();
        let seen = seen.to_str().unwrap();
        assert!(if_none_match(seen).has(&old) && !if_none_match(seen).has(&new));
        assert!(if_match(seen).check_version(Some(7)).is_ok());
        assert!(if_match(seen).check_version(Some(8)).is_err());
        assert!(if_match(seen).check(Some(&new)).is_err());
    }

    #[test]
    fn a_reader_may_show_a_tag_that_was_made_weak() {
        let tag = ETag::of_view(&"a");
        let shown = format!("W/{}", tag.header().to_str().unwrap());
        assert!(if_none_match(&shown).has(&tag));
        assert!(if_none_match("*").has(&tag) && if_none_match("*").asks_for_nothing_there());
        assert!(!IfNoneMatch(None).has(&tag));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for text in ["", ",", "7", "\"7", "\"7\" \"8\"", "w/\"7\"", "\"a b\"", "*, \"7\"", "W/7"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            parse("\"a,b\",W/\"c\""),
            Some(NamedTags::OneOf(vec![
                ShownTag { is_weak: false, text: "a,b".to_owned() },
                ShownTag { is_weak: true, text: "c".to_owned() },
            ]))
        );
    }
}

//! Texts of a product, each with its bound.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Invalid;
use crate::domain::ids::text_type;

text_type!(
    /// A product as shops write it.
    ProductCode,
    "product",
    "1 to 64 of the characters A-Z a-z 0-9 . _ -, and not `popular`",
    |text| (1..=64).contains(&text.len())
        && text != "popular"
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
);

text_type!(
    /// What is said of a product: plain text, or Markdown.
    Description,
    "description",
    "at most 10,000 characters, with no control characters but line ends and tabs",
    |text| text.chars().count() <= 10_000
        && !text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
);

text_type!(
    /// The one shelf a product stands on.
    Category,
    "category",
    "1 to 60 characters without control characters, with no space at either end",
    |text| is_label(text, 60)
);

text_type!(
    /// A word under which products are found together.
    Tag,
    "tags",
    "texts of 1 to 40 characters without control characters, with no space at either end",
    |text| is_label(text, 40)
);

text_type!(
    /// The name of an option, such as a size, or one of its values.
    OptionText,
    "options",
    "names and values of 1 to 40 characters without control characters, with no space at either end",
    |text| is_label(text, 40)
);

text_type!(
    /// Where a picture is: elsewhere by https, or on the shop's own site.
    ImageUrl,
    "image_urls",
    "addresses of at most 500 visible ASCII characters that begin with https:// or with one /",
    |text| text.len() <= 500
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'))
        && (is_https(text) || (text.starts_with('/') && !text.starts_with("//")))
);

fn is_label(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && text.trim().len() == text.len()
}

/// Whether a text is an address of another site by https, with a name of that site and no name of a user.
fn is_https(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let site = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !site.is_empty() && !site.contains('@')
}

impl Description {
    /// Of a product of which nothing is said.
    pub fn none() -> Self {
        Self(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_fetched_by_https_or_from_the_shop_itself() {
        for good in ["https://cdn.example.com/a.png?w=3", "/pictures/mug.svg", "https://x"] {
            assert!(ImageUrl::parse(good).is_ok(), "{good}");
        }
        let long = format!("/{}", "x".repeat(500));
        for bad in [
            "",
            "http://example.com/a.png",
            "//example.com/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "https://",
            "https:///a",
            "https://me@example.com/a",
            "/\\example.com/a",
            "/a b",
            "/\"onerror=",
            "pictures/a.png",
            &long,
        ] {
            assert!(ImageUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_have_no_space_at_their_ends() {
        assert!(Tag::parse("새 상품").is_ok() && Tag::parse(" a").is_err() && Tag::parse("").is_err());
        assert!(Category::parse("x".repeat(61)).is_err() && Description::parse("a\n\tb").is_ok());
        assert!(Description::parse("a\0b").is_err());
    }
}

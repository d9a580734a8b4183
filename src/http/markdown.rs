//! Descriptions as HTML that any page may show: no script, no HTML of the writer's own, links that lead where they say.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::domain::catalogue::product::TextFormat;

/// A description as HTML.
pub fn to_html(description: &str, format: TextFormat) -> String {
    match format {
        TextFormat::Plain => plain(description),
        TextFormat::Markdown => markdown(description),
    }
}

/// Paragraphs where there are empty lines, and line ends where there are others.
fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let mut out = String::new();
    for paragraph in paragraphs {
        let mut events = vec![Event::Start(Tag::Paragraph)];
        for (number, line) in paragraph.lines().enumerate() {
            if number > 0 {
                events.push(Event::HardBreak);
            }
            events.push(Event::Text(CowStr::from(line)));
        }
        events.push(Event::End(TagEnd::Paragraph));
        html::push_html(&mut out, events.into_iter());
    }
    out
}

/// CommonMark with tables and struck text. HTML in it is left out; of a link or picture that leads elsewhere than it may, the
/// text stays.
fn markdown(text: &str) -> String {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    // Ends do not say where their link leads, so what was left out at the start is remembered.
    let mut left_out = vec![];
    let safe = parser.filter(move |event| match event {
        Event::Html(_) | Event::InlineHtml(_) => false,
        Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => false,
        Event::Start(Tag::Link { dest_url, .. }) => {
            let stays = leads(dest_url, &["https://", "http://", "mailto:"]);
            left_out.push(!stays);
            stays
        }
        Event::Start(Tag::Image { dest_url, .. }) => {
            let stays = leads(dest_url, &["https://"]) || is_here(dest_url);
            left_out.push(!stays);
            stays
        }
        Event::End(TagEnd::Link | TagEnd::Image) => !left_out.pop().unwrap_or(false),
        _ => true,
    });
    let mut out = String::new();
    html::push_html(&mut out, safe);
    out
}

/// Whether an address begins in one of these ways, and nothing in it is invisible: browsers skip such letters, and find
/// another beginning.
fn leads(url: &str, ways: &[&str]) -> bool {
    let begins = |way: &&str| url.get(..way.len()).is_some_and(|start| start.eq_ignore_ascii_case(way));
    !url.chars().any(|letter| letter.is_control() || letter.is_whitespace()) && ways.iter().any(begins)
}

/// Whether an address is one of the shop's own site.
fn is_here(url: &str) -> bool {
    url.starts_with('/') && !url.starts_with("//") && !url.contains('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_and_html_in_it_nothing() {
        let html = |text: &str| to_html(text, TextFormat::Markdown);
        assert_eq!(html("# A *b*"), "<h1>A <em>b</em></h1>\n");
        assert_eq!(
            html("[a](https://b.example/?c=1&d=2)"),
            "<p><a href=\"https://b.example/?c=1&amp;d=2\">a</a></p>\n"
        );
        assert_eq!(html("![a](/b.png)"), "<p><img src=\"/b.png\" alt=\"a\" /></p>\n");
        assert_eq!(html("a < b & \"c\""), "<p>a &lt; b &amp; \"c\"</p>\n");
        for (text, shown) in [
            ("<script>alert(1)</script>", ""),
            ("a <b onclick=\"x()\">b</b>", "<p>a b</p>\n"),
            ("<img src=x onerror=alert(1)>", ""),
            ("[a](javascript:alert(1))", "<p>a</p>\n"),
            ("[a](JaVaScRiPt:alert(1))", "<p>a</p>\n"),
            ("[a](java&#10;script:alert(1))", "<p>a</p>\n"),
            ("[a](data:text/html,b)", "<p>a</p>\n"),
            ("[a](//b.example)", "<p>a</p>\n"),
            ("![a](http://b.example/c.png)", "<p>a</p>\n"),
            ("[![a](x:y)](z:y)", "<p>a</p>\n"),
            ("<javascript:alert(1)>", "<p>javascript:alert(1)</p>\n"),
        ] {
            assert_eq!(html(text), shown, "{text}");
        }
    }

    #[test]
    fn plain_text_stays_what_it_is() {
        let html = to_html("# a\r\n<b>\n\n\n c & d\n", TextFormat::Plain);
        assert_eq!(html, "<p># a<br />\n&lt;b&gt;</p>\n<p>c &amp; d</p>\n");
        assert_eq!(to_html("", TextFormat::Plain), "");
    }
}

//! Descriptions as HTML that any page may show: no script, no HTML of the writer's own, links that lead where they say.

use std::cell::Cell;
use std::fmt;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::domain::catalogue::product::TextFormat;

/// The longest HTML of a description. Plain text of ten thousand characters stays below it.
const MAX_BYTES: usize = 100_000;
/// How deep its parts may lie in each other: a browser has to lay them out.
const MAX_DEPTH: usize = 40;

/// A description as HTML. Markdown that would become too long or too deep is shown as it was written.
pub fn to_html(description: &str, format: TextFormat) -> String {
    match format {
        TextFormat::Plain => plain(description),
        TextFormat::Markdown => markdown(description).unwrap_or_else(|| plain(description)),
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

/// CommonMark with struck text, unless it becomes too much. HTML in it is left out; of a link or picture that leads elsewhere than
/// it may, the text stays. There are no tables: a row of one is filled up to the columns of the first, so that a few letters become
/// hundreds of cells.
fn markdown(text: &str) -> Option<String> {
    let parser = Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH);
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
    let (mut depth, is_too_deep) = (0_usize, Cell::new(false));
    let shallow = safe.take_while(|event| {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_too_deep.set(depth > MAX_DEPTH);
        depth <= MAX_DEPTH
    });
    let mut out = Bounded(String::new());
    let written = html::write_html_fmt(&mut out, shallow);
    (written.is_ok() && !is_too_deep.get()).then_some(out.0)
}

/// A text that takes no more than [`MAX_BYTES`].
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
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
    fn no_description_becomes_a_page_that_is_many_times_as_long() {
        let most = 10_000;
        let fill = |text: &str| text.repeat(most / text.len());
        let columns = fill("|")[..most / 2].to_owned();
        let references = format!("[a]: https://b.example/{}\n\n{}", "x".repeat(4_000), "[a] ".repeat(1_400));
        let table = format!("{columns}\n{}\n{}", "|-".repeat(2_000), "|\n".repeat(500));
        let rows = format!("|a{}\n|-{}\n{}", "|b".repeat(500), "|-".repeat(500), "|\n".repeat(3_000));
        for text in [
            fill(">"),
            fill("> "),
            fill("- "),
            fill("1) "),
            (0..99).map(|depth| format!("{}- a\n", " ".repeat(2 * depth))).collect(),
            fill("&"),
            fill("\""),
            fill("\n"),
            fill("a\n"),
            fill("a\n\n"),
            fill("#\n"),
            fill("*a*"),
            fill("**a** "),
            fill("*a **a "),
            fill("~~a~~ "),
            fill("`a`"),
            fill("---\n"),
            fill("\\\n"),
            fill("a  \n"),
            fill("<a@b.cd>"),
            fill("<http:\"\">"),
            fill("![](/\")"),
            fill("[](//a)"),
            fill("[^1]\n\n[^1]: a\n\n"),
            fill("```\n\"\n```\n"),
            fill("["),
            fill("![[]("),
            table,
            rows,
            references,
        ] {
            for format in [TextFormat::Plain, TextFormat::Markdown] {
                let html = to_html(&text[..text.len().min(most)], format);
                let start: String = text.chars().take(30).collect();
                assert!(html.len() <= MAX_BYTES, "{start:?} becomes {} bytes", html.len());
                assert!(html.matches("<blockquote>").count() <= 1_000, "{start:?}");
            }
        }
        assert_eq!(to_html("| a |\n|---|\n| b |", TextFormat::Markdown), "<p>| a |\n|---|\n| b |</p>\n");
        // What would be too long or too deep is shown as it was written.
        assert_eq!(
            to_html(&format!("{} *a*", ">".repeat(41)), TextFormat::Markdown).matches("&gt;").count(),
            41
        );
        assert!(to_html("> > - a\n> >   - *b*", TextFormat::Markdown).contains("<em>b</em>"));
    }

    #[test]
    fn plain_text_stays_what_it_is() {
        let html = to_html("# a\r\n<b>\n\n\n c & d\n", TextFormat::Plain);
        assert_eq!(html, "<p># a<br />\n&lt;b&gt;</p>\n<p>c &amp; d</p>\n");
        assert_eq!(to_html("", TextFormat::Plain), "");
    }
}

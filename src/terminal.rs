//! Texts of strangers on a terminal.

/// A text for a terminal: control characters are shown, not obeyed, and so are those that turn the direction of a text or
/// take no room, by which one text could look like another.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_shown(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
}

fn is_shown(c: char) -> bool {
    let is_invisible = matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    );
    !c.is_control() && !is_invisible
}

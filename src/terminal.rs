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

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_would_change_how_a_terminal_shows_other_texts_is_shown_itself() {
        assert_eq!(printable("Ünïcode 머그 won"), "Ünïcode 머그 won");
        assert_eq!(printable("a\u{1b}[31m\u{202e}b\u{200b}\u{9b}"), "a\\u{1b}[31m\\u{202e}b\\u{200b}\\u{9b}");
    }
}

//! Texts of strangers on a terminal.

/// A text for a terminal: control characters are shown, not obeyed.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

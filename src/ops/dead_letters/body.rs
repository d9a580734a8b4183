//! A dead letter's body for people: as JSON on lines if it is JSON, and its exact bytes.

use std::fmt::Write as _;

use serde::de::IgnoredAny;

/// Bytes on a line of a hex dump.
const ROW: usize = 16;
/// A dump longer than this is nothing to read; the export has all of it.
const MAX_DUMPED_BYTES: usize = 64 * 1024;
/// Levels of nesting that are shown by blanks.
const MAX_INDENT: usize = 32;

/// A body in JSON documents: its text, or its bytes in hexadecimal where it is none.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Body {
    /// It is UTF-8.
    Text(String),
    /// It is not.
    Hex {
        /// Two digits for each byte.
        hex: String,
    },
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() },
        }
    }
}

impl Body {
    pub fn bytes(&self) -> Vec<u8> {
        let nibble = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Hex { hex } => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | nibble(*digit)))
                .collect(),
        }
    }
}

/// JSON on lines, its members in their order and its numbers as they were written; nothing if it is not JSON, or larger than
/// a message of ours may be.
pub fn pretty(body: &[u8]) -> Option<String> {
    if body.len() > MAX_DUMPED_BYTES {
        return None;
    }
    serde_json::from_slice::<IgnoredAny>(body).ok()?;
    let text = std::str::from_utf8(body).ok()?;
    let mut lines = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0, false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if in_string {
            lines.push(c);
            in_string = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                lines.push(c);
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(closing) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    lines.push(closing);
                } else {
                    depth += 1;
                    new_line(&mut lines, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut lines, depth);
                lines.push(c);
            }
            ',' => {
                lines.push(c);
                new_line(&mut lines, depth);
            }
            ':' => lines.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => {
                in_string = c == '"';
                lines.push(c);
            }
        }
    }
    Some(lines)
}

fn new_line(lines: &mut String, depth: usize) {
    lines.push('\n');
    // Deeper nesting is a stranger's, who would fill the memory with blanks.
    lines.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
}

/// Its bytes in hexadecimal beside their ASCII characters, sixteen on a line, cut after 64 KiB.
pub fn hex_dump(body: &[u8]) -> String {
    let mut dump = String::new();
    for (row, bytes) in body.chunks(ROW).take(MAX_DUMPED_BYTES / ROW).enumerate() {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown =
            |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let text: String = bytes.iter().map(shown).collect();
        writeln!(dump, "{:08x}  {:47}  {text}", row * ROW, hex.join(" ")).expect("a string takes all");
    }
    if body.len() > MAX_DUMPED_BYTES {
        writeln!(dump, "… of {} bytes", body.len()).expect("a string takes all");
    }
    dump
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_takes_no_room() {
        let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
        assert!(pretty(deep.as_bytes()).unwrap().len() < 70 * deep.len());
        assert_eq!(pretty(" ".repeat(MAX_DUMPED_BYTES + 1).as_bytes()), None);
    }

    #[test]
    fn json_is_laid_out_and_nothing_of_it_changed() {
        let body = br#" {"b":[1.00,{}, [ ]],"a":"x\"{,:\\","a":12345678901234567890123} "#;
        let lines = "{\n  \"b\": [\n    1.00,\n    {},\n    []\n  ],\n  \"a\": \"x\\\"{,:\\\\\",\n  \"a\": 12345678901234567890123\n}";
        assert_eq!(pretty(body).unwrap(), lines);
        assert_eq!(pretty(b"\"text\"").unwrap(), "\"text\"");
        for broken in [&b"{"[..], b"", b"\xff", b"{} {}"] {
            assert_eq!(pretty(broken), None);
        }
    }

    #[test]
    fn a_body_in_json_has_all_its_bytes() {
        for bytes in [&b"{}"[..], "머그".as_bytes(), b"\x00\xff\x1b", b""] {
            assert_eq!(Body::from(bytes).bytes(), bytes);
        }
    }

    #[test]
    fn a_dump_shows_every_byte() {
        assert_eq!(hex_dump(b"a\x1b[0m"), format!("00000000  {:47}  a.[0m\n", "61 1b 5b 30 6d"));
        assert_eq!(hex_dump(&[0; 17]).lines().count(), 2);
    }
}

//! Lists as people type them: texts between commas, `name: one, two` on a line. A text with a comma or a colon in it is in
//! quotation marks, and one of these within them is written twice.

/// Texts of lines and commas; None if what is in quotation marks does not end, or goes on behind them.
pub fn parse_list(text: &str) -> Option<Vec<String>> {
    let mut texts = vec![];
    for line in text.lines() {
        texts.extend(parse_texts(line)?);
    }
    Some(texts)
}

/// Names, each with the texts behind its colon, a line each.
pub fn parse_named(text: &str) -> Option<Vec<(String, Vec<String>)>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, rest) = cut(line, ':')?;
            Some((name, parse_texts(rest.unwrap_or_default())?))
        })
        .collect()
}

/// Texts as [`parse_list`] reads them, on a line.
pub fn write_list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| write(text.as_ref())).collect();
    texts.join(", ")
}

/// A line as [`parse_named`] reads it.
pub fn write_named<T: AsRef<str>>(name: &str, texts: impl IntoIterator<Item = T>) -> String {
    let texts = write_list(texts);
    if texts.is_empty() { write(name) } else { format!("{}: {texts}", write(name)) }
}

fn write(text: &str) -> String {
    if text.contains([',', ':']) || text.starts_with('"') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn parse_texts(line: &str) -> Option<Vec<String>> {
    let mut texts = vec![];
    let mut rest = Some(line);
    while let Some(line) = rest {
        let (text, behind) = cut(line, ',')?;
        if !text.is_empty() {
            texts.push(text);
        }
        rest = behind;
    }
    Some(texts)
}

/// The text before a separator, and what is behind it if it is there.
fn cut(line: &str, separator: char) -> Option<(String, Option<&str>)> {
    let line = line.trim();
    let Some(mut rest) = line.strip_prefix('"') else {
        return Some(match line.split_once(separator) {
            Some((text, behind)) => (text.trim_end().to_owned(), Some(behind)),
            None => (line.to_owned(), None),
        });
    };
    let mut text = String::new();
    loop {
        let (part, behind) = rest.split_once('"')?;
        text.push_str(part);
        match behind.strip_prefix('"') {
            Some(more) => {
                text.push('"');
                rest = more;
            }
            None => {
                let behind = behind.trim_start();
                let after = behind.strip_prefix(separator);
                return (behind.is_empty() || after.is_some()).then_some((text, after));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_written() {
        for texts in [vec![], vec!["S"], vec!["1,5 l", "27\" wide", "\"so called\"", "a: b", "검정"]] {
            assert_eq!(parse_list(&write_list(&texts)).unwrap(), texts);
            let named = parse_named(&write_named("size: big", &texts)).unwrap();
            assert_eq!(
                named,
                [("size: big".to_owned(), texts.iter().map(|&text| text.to_owned()).collect())]
            );
        }
    }

    #[test]
    fn people_may_leave_blanks_and_quotation_marks_have_to_end() {
        assert_eq!(parse_list(" new ,면\r\n\n\"a, b\" , ,c,").unwrap(), ["new", "면", "a, b", "c"]);
        let lines = "size:S,M\n\n  colour : black , white\nmug";
        let named: Vec<String> =
            parse_named(lines).unwrap().iter().map(|(name, texts)| write_named(name, texts)).collect();
        assert_eq!(named, ["size: S, M", "colour: black, white", "mug"]);
        for bad in ["\"a", "\"a\" b", "x, \"a\"b"] {
            assert_eq!(parse_list(bad), None, "{bad}");
        }
        assert_eq!(parse_named("\"a, b"), None);
    }
}

//! Cells of a table: what they say, and how a value is written into one so that it comes back as the same.

use holdfast::ops::dead_letters::export::harmless;
use serde_json::Value;

/// A cell without the mark that keeps a spreadsheet from calculating.
pub(super) fn unmarked(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| would_be_marked(rest)).unwrap_or(cell)
}

/// A cell that is safe in a spreadsheet. What looks as if it was marked is marked once more, as one mark is taken away.
pub(super) fn marked(cell: String) -> String {
    let looks_marked = cell.strip_prefix('\'').is_some_and(would_be_marked);
    if looks_marked { format!("'{cell}") } else { harmless(cell) }
}

/// Whether a mark stands before such a text.
fn would_be_marked(text: &str) -> bool {
    text.starts_with('\'') || harmless(text.to_owned()) != text
}

/// A list in a cell: its parts between bars, or JSON.
pub(super) fn list(cell: &str) -> Result<Value, String> {
    if cell.starts_with('[') {
        return serde_json::from_str(cell).map_err(|error| error.to_string());
    }
    Ok(cell.split('|').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect())
}

/// A value as a cell says it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            let is_plain = texts.iter().all(|text| !text.contains('|') && !text.starts_with('['));
            if is_plain { texts.join("|") } else { value.to_string() }
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_went_out() {
        for text in [
            "", "a", "=1", "'=1", "''=1", "'", "''", "'n", "''n", "-", "'-", "\t=1", " =1", "' =1", "a'",
            "\r\n",
        ] {
            let out = marked(text.to_owned());
            assert_eq!(unmarked(&out), text, "{out:?}");
            assert!(!out.trim_start().starts_with(['=', '+', '-', '@']), "{out:?}");
        }
        assert_eq!((marked("'n Sync".to_owned()), unmarked("'n Sync")), ("'n Sync".to_owned(), "'n Sync"));
    }
}

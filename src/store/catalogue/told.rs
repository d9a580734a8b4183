//! What the audit log says of a product that was changed: what differs, and of long texts how they begin.

use serde_json::{Map, Value, json};

use super::changes::Stored;
use crate::domain::catalogue::product::Product;

/// So many letters of a member are told; a whole description would be read by nobody there.
const MAX_TOLD: usize = 500;

/// How a product was and how it is, as far as that differs.
#[derive(Debug)]
pub(super) struct Told {
    pub before: Option<Value>,
    pub after: Value,
}

/// Tells of a product that becomes another, or begins.
pub(super) fn change(before: Option<&Stored>, product: &Product, is_archived: bool) -> Told {
    let mut after = members(product, is_archived);
    let Some(before) = before else { return Told { before: None, after: told(after) } };
    let mut was = members(&before.product, before.is_archived);
    after.retain(|name, value| was.get(name) != Some(value));
    was.retain(|name, _| after.contains_key(name));
    Told { before: Some(told(was)), after: told(after) }
}

fn members(product: &Product, is_archived: bool) -> Map<String, Value> {
    let mut members = match serde_json::to_value(product) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.insert("is_archived".to_owned(), json!(is_archived));
    members
}

fn told(members: Map<String, Value>) -> Value {
    members.into_iter().map(|(name, value)| (name, shortened(value))).collect()
}

/// A value, or the beginning of its text and how long it is.
fn shortened(value: Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let length = text.chars().count();
    if length <= MAX_TOLD {
        return value;
    }
    let beginning: String = text.chars().take(MAX_TOLD).collect();
    json!(format!("{beginning}… ({length} characters)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_and_long_texts_by_their_beginning() {
        let product = |description: &str| -> Product {
            serde_json::from_value(json!({"name": "Mug", "description": description})).unwrap()
        };
        let long = "가".repeat(501);
        let stored = Stored { id: 1, version: 1, is_archived: true, product: product(&long) };
        let Told { before, after } = change(Some(&stored), &product("short"), false);
        let beginning = format!("{}… (501 characters)", "가".repeat(500));
        assert_eq!(before, Some(json!({"description": beginning, "is_archived": true})));
        assert_eq!(after, json!({"description": "short", "is_archived": false}));
        let Told { before, after } = change(None, &product(""), false);
        assert!(before.is_none());
        assert_eq!(after["name"], "Mug");
    }
}

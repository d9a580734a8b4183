//! A product as a shop writes it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::options::{self, ProductOption, Variant};
use super::texts::{Category, Description, ImageUrl, Tag};
use crate::domain::Invalid;
use crate::domain::ids::ProductName;
use crate::domain::sku;

pub const MAX_IMAGES: usize = 20;
pub const MAX_TAGS: usize = 20;

/// How a description is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// As it is.
    #[default]
    Plain,
    /// CommonMark, of which HTML is left out.
    Markdown,
}

/// A product as a shop defines it. What is absent is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Its name.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub name: ProductName,
    /// What is said of it.
    #[serde(default = "Description::none")]
    #[schema(value_type = String, max_length = 10000)]
    pub description: Description,
    /// How the description is written.
    #[serde(default)]
    pub description_format: TextFormat,
    /// Pictures, by https or from the shop's own site; the first one stands for the product. At most 20.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 20)]
    pub image_urls: Vec<ImageUrl>,
    /// The one shelf it stands on.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 60)]
    pub category: Option<Category>,
    /// Words under which it is found; at most 20.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 20)]
    pub tags: Vec<Tag>,
    /// Whether buyers see it.
    #[serde(default = "yes")]
    pub is_active: bool,
    /// From when on it is sold; before, buyers see that it will be.
    #[serde(default)]
    pub sale_from: Option<DateTime<Utc>>,
    /// Until when it is sold.
    #[serde(default)]
    pub sale_until: Option<DateTime<Utc>>,
    /// What buyers choose; at most 4.
    #[serde(default)]
    #[schema(max_items = 4)]
    pub options: Vec<ProductOption>,
    /// What is sold, in the order in which it is shown; at most 100. One without options has one SKU. A SKU belongs to one
    /// product.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub skus: Vec<Variant>,
}

fn yes() -> bool {
    true
}

impl Product {
    /// The same as it is kept, if its parts fit together.
    pub fn checked(mut self) -> Result<Self, Invalid> {
        if self.image_urls.len() > MAX_IMAGES {
            return Err(Invalid::new("image_urls", "at most 20 addresses"));
        }
        if self.tags.len() > MAX_TAGS || (1..self.tags.len()).any(|n| self.tags[..n].contains(&self.tags[n]))
        {
            return Err(Invalid::new("tags", "at most 20 different texts"));
        }
        self.sale_from = instant("sale_from", self.sale_from)?;
        self.sale_until = instant("sale_until", self.sale_until)?;
        if let (Some(from), Some(until)) = (self.sale_from, self.sale_until)
            && until <= from
        {
            return Err(Invalid::new("sale_until", "later than sale_from"));
        }
        options::check(&self.options, &self.skus)?;
        Ok(self)
    }
}

fn instant(field: &'static str, instant: Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>, Invalid> {
    instant.map(|instant| sku::instant(field, instant)).transpose()
}

/// Changes a document as a merge patch says (RFC 7396): null removes a member, an object is merged, anything else takes the
/// place of what was there.
pub fn merge(document: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *document = patch;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    let Value::Object(members) = document else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                members.remove(&name);
            }
            value => merge(members.entry(name).or_insert(Value::Null), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_changes_what_it_names() {
        // The table of RFC 7396, appendix A.
        for (document, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut document = document;
            merge(&mut document, patch);
            assert_eq!(document, merged);
        }
    }

    #[test]
    fn a_product_is_checked_as_a_whole() {
        let product = |more: Value| {
            let mut document = json!({"name": "Mug"});
            merge(&mut document, more);
            serde_json::from_value::<Product>(document)
                .map_err(|_| ())
                .and_then(|product| product.checked().map_err(|_| ()))
        };
        assert!(product(json!({})).unwrap().is_active);
        let from =
            json!({"sale_from": "2026-12-01T00:00:00.1234567+09:00", "sale_until": "2026-12-02T00:00:00Z"});
        assert_eq!(product(from).unwrap().sale_from.unwrap().timestamp_subsec_nanos(), 123_456_000);
        for bad in [
            json!({"sale_from": "2026-12-02T00:00:00Z", "sale_until": "2026-12-02T00:00:00Z"}),
            json!({"sale_from": "1999-12-02T00:00:00Z"}),
            json!({"tags": ["a", "a"]}),
            json!({"price_won": 1}),
            json!({"name": ""}),
            json!({"description_format": "html"}),
        ] {
            assert!(product(bad.clone()).is_err(), "{bad}");
        }
    }
}

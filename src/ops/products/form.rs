//! What the forms about a product hold: texts as they were typed, and the product that they mean.

use chrono_tz::Tz;
use serde::Deserialize;

use super::{lines, times};
use crate::domain::Invalid;
use crate::domain::catalogue::options::{ProductOption, Variant};
use crate::domain::catalogue::product::{Product, TextFormat};
use crate::domain::catalogue::texts::{Category, Description, ImageUrl, OptionText, Tag};
use crate::domain::ids::{ProductName, SkuCode};

/// All of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ProductForm {
    /// The code of one that is new.
    pub product: String,
    /// The version that was seen of one that is there.
    pub version: i64,
    pub name: String,
    pub description: String,
    pub description_format: TextFormat,
    pub image_urls: String,
    pub category: String,
    pub tags: String,
    pub is_active: bool,
    pub sale_from: String,
    pub sale_until: String,
    pub options: String,
    pub skus: String,
    pub reason: String,
}

/// What becomes of a product's sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleButton {
    /// What the fields say.
    #[default]
    Save,
    /// It is sold from this moment on, without times.
    On,
    /// It is off, and its times stay.
    Off,
}

/// When a product is sold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SaleForm {
    pub button: SaleButton,
    pub version: i64,
    pub is_active: bool,
    pub sale_from: String,
    pub sale_until: String,
    pub reason: String,
}

impl ProductForm {
    /// The form of a product that is yet to be made.
    pub fn blank() -> Self {
        Self { is_active: true, ..Self::default() }
    }

    /// The form of a product as it is.
    pub fn of(product: &Product, version: i64, zone: Tz) -> Self {
        let options = product.options.iter();
        let options = options.map(|option| {
            lines::write_named(option.name.as_str(), option.values.iter().map(OptionText::as_str))
        });
        let skus = product.skus.iter();
        let skus =
            skus.map(|sku| lines::write_named(sku.sku.as_str(), sku.choices.iter().map(OptionText::as_str)));
        let images: Vec<&str> = product.image_urls.iter().map(ImageUrl::as_str).collect();
        Self {
            product: String::new(),
            version,
            name: product.name.to_string(),
            description: product.description.to_string(),
            description_format: product.description_format,
            image_urls: images.join("\n"),
            category: product.category.as_ref().map(ToString::to_string).unwrap_or_default(),
            tags: lines::write_list(product.tags.iter().map(Tag::as_str)),
            is_active: product.is_active,
            sale_from: times::typed(product.sale_from, zone),
            sale_until: times::typed(product.sale_until, zone),
            options: options.collect::<Vec<_>>().join("\n"),
            skus: skus.collect::<Vec<_>>().join("\n"),
            reason: String::new(),
        }
    }

    /// The product that is meant, where there may be one before it.
    pub fn product(&self, before: Option<&Product>, zone: Tz) -> Result<Product, Invalid> {
        let category = self.category.trim();
        let images = self.image_urls.lines().map(str::trim).filter(|line| !line.is_empty());
        let tags = lines::parse_list(&self.tags).ok_or(Invalid::new("tags", UNQUOTED))?;
        let (from, until) = before.map_or((None, None), |before| (before.sale_from, before.sale_until));
        let product = Product {
            name: ProductName::parse(self.name.trim())?,
            description: self.description(before)?,
            description_format: self.description_format,
            image_urls: images.map(ImageUrl::parse).collect::<Result<_, _>>()?,
            category: if category.is_empty() { None } else { Some(Category::parse(category)?) },
            tags: tags.into_iter().map(Tag::parse).collect::<Result<_, _>>()?,
            is_active: self.is_active,
            sale_from: times::parse("sale_from", &self.sale_from, zone, from)?,
            sale_until: times::parse("sale_until", &self.sale_until, zone, until)?,
            options: self.options()?,
            skus: self.skus()?,
        };
        product.checked()
    }

    /// The description: browsers send other line ends than they were given, which is no change.
    fn description(&self, before: Option<&Product>) -> Result<Description, Invalid> {
        let typed = with_plain_ends(&self.description);
        let before = before.map(|before| &before.description);
        match before.filter(|before| with_plain_ends(before.as_str()) == typed) {
            Some(before) => Ok(before.clone()),
            None => Description::parse(typed),
        }
    }

    fn options(&self) -> Result<Vec<ProductOption>, Invalid> {
        let options = lines::parse_named(&self.options).ok_or(Invalid::new("options", UNQUOTED))?;
        let options = options.into_iter().map(|(name, values)| {
            let values = values.into_iter().map(OptionText::parse).collect::<Result<_, _>>()?;
            Ok(ProductOption { name: OptionText::parse(name)?, values })
        });
        options.collect()
    }

    fn skus(&self) -> Result<Vec<Variant>, Invalid> {
        let skus = lines::parse_named(&self.skus).ok_or(Invalid::new("skus", UNQUOTED))?;
        let skus = skus.into_iter().map(|(code, choices)| {
            let unlike = |_| Invalid::new("skus", "lines of a SKU's code, a colon and its choices");
            let sku = SkuCode::parse(code).map_err(unlike)?;
            let choices = choices.into_iter().map(OptionText::parse).collect::<Result<_, _>>();
            Ok(Variant { sku, choices: choices.map_err(unlike)? })
        });
        skus.collect()
    }

    /// Codes of the SKUs that are named.
    pub fn sku_codes(&self) -> Result<Vec<String>, Invalid> {
        Ok(self.skus()?.into_iter().map(|variant| variant.sku.to_string()).collect())
    }

    /// What another form has in fields that are not alike: their names for people, and its texts.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String)> {
        let (own, others) = (self.fields(), other.fields());
        let pairs = own.into_iter().zip(others);
        let plain = |text: &str| with_plain_ends(text).trim().to_owned();
        let differing = pairs.filter(|(own, other)| plain(&own.1) != plain(&other.1));
        differing.map(|(_, other)| other).collect()
    }

    fn fields(&self) -> [(&'static str, String); 11] {
        let format = match self.description_format {
            TextFormat::Plain => "plain",
            TextFormat::Markdown => "Markdown",
        };
        let is_active = if self.is_active { "yes" } else { "no" };
        let typed =
            |text: &str| text.strip_suffix(":00").filter(|text| text.len() > 13).unwrap_or(text).to_owned();
        [
            (label("name"), self.name.clone()),
            (label("description"), self.description.clone()),
            (label("description_format"), format.to_owned()),
            (label("image_urls"), self.image_urls.clone()),
            (label("category"), self.category.clone()),
            (label("tags"), self.tags.clone()),
            (label("is_active"), is_active.to_owned()),
            (label("sale_from"), typed(&self.sale_from)),
            (label("sale_until"), typed(&self.sale_until)),
            (label("options"), self.options.clone()),
            (label("skus"), self.skus.clone()),
        ]
    }
}

impl SaleForm {
    /// The form of a product as it is.
    pub fn of(product: &Product, version: i64, zone: Tz) -> Self {
        Self {
            button: SaleButton::Save,
            version,
            is_active: product.is_active,
            sale_from: times::typed(product.sale_from, zone),
            sale_until: times::typed(product.sale_until, zone),
            reason: String::new(),
        }
    }

    /// Whether the fields say times.
    pub fn check(&self, zone: Tz) -> Result<(), Invalid> {
        let from = times::parse("sale_from", &self.sale_from, zone, None)?;
        let until = times::parse("sale_until", &self.sale_until, zone, None)?;
        match from.zip(until) {
            Some((from, until)) if until <= from && self.button == SaleButton::Save => {
                Err(Invalid::new("sale_until", "later than sale_from"))
            }
            _ => Ok(()),
        }
    }

    /// The product with another sale.
    pub fn product(&self, before: &Product, zone: Tz) -> Result<Product, Invalid> {
        let product = before.clone();
        let product = match self.button {
            SaleButton::Off => Product { is_active: false, ..product },
            SaleButton::On => Product { is_active: true, sale_from: None, sale_until: None, ..product },
            SaleButton::Save => Product {
                is_active: self.is_active,
                sale_from: times::parse("sale_from", &self.sale_from, zone, before.sale_from)?,
                sale_until: times::parse("sale_until", &self.sale_until, zone, before.sale_until)?,
                ..product
            },
        };
        product.checked()
    }
}

const UNQUOTED: &str = "texts between commas; what begins with a quotation mark ends with one";

/// What a field is called on the page.
pub fn label(field: &str) -> &'static str {
    match field {
        "product" => "Code",
        "name" => "Name",
        "description" => "Description",
        "description_format" => "Format of the description",
        "image_urls" => "Pictures",
        "category" => "Category",
        "tags" => "Tags",
        "is_active" => "Buyers see it",
        "sale_from" => "Sale from",
        "sale_until" => "Sale until",
        "options" => "Options",
        "skus" => "SKUs",
        _ => "Reason",
    }
}

fn with_plain_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ZONE: Tz = Tz::Asia__Seoul;

    fn shirt() -> Product {
        let shirt = json!({"name": "Shirt", "description": "one\r\ntwo\rthree\n", "image_urls": ["/a.png", "https://x/b"],
            "category": "옷", "tags": ["new", "a, b"], "sale_from": "2026-12-01T00:00:00.5Z",
            "options": [{"name": "size", "values": ["S", "1,5"]}],
            "skus": [{"sku": "shirt-s", "choices": ["S"]}, {"sku": "shirt-m", "choices": ["1,5"]}]});
        serde_json::from_value(shirt).unwrap()
    }

    #[test]
    fn a_form_that_is_sent_as_it_was_shown_changes_nothing() {
        let shirt = shirt();
        let mut form = ProductForm::of(&shirt, 7, ZONE);
        assert_eq!(form.product(Some(&shirt), ZONE).unwrap(), shirt);
        form.description = "one\r\ntwo\r\nthree\r\n".to_owned();
        form.image_urls = form.image_urls.replace('\n', "\r\n");
        form.sale_from = "2026-12-01T09:00".to_owned();
        assert_eq!(form.product(Some(&shirt), ZONE).unwrap(), shirt);
        assert!(form.differences(&ProductForm::of(&shirt, 8, ZONE)).is_empty());
        form.name = "Hemd".to_owned();
        assert_eq!(form.differences(&ProductForm::of(&shirt, 8, ZONE)), [("Name", "Shirt".to_owned())]);
        assert_eq!(SaleForm::of(&shirt, 7, ZONE).product(&shirt, ZONE).unwrap(), shirt);
    }

    #[test]
    fn a_form_names_the_field_that_is_wrong() {
        let shirt = shirt();
        let right = ProductForm::of(&shirt, 7, ZONE);
        let wrong = |change: &dyn Fn(&mut ProductForm)| {
            let mut form = right.clone();
            change(&mut form);
            form.product(Some(&shirt), ZONE).unwrap_err().field
        };
        assert_eq!(wrong(&|form| form.name.clear()), "name");
        assert_eq!(wrong(&|form| form.tags = "\"a".to_owned()), "tags");
        assert_eq!(wrong(&|form| form.image_urls = "a.png".to_owned()), "image_urls");
        assert_eq!(wrong(&|form| form.sale_until = "2026-12-01T08:00".to_owned()), "sale_until");
        assert_eq!(wrong(&|form| form.options = "size".to_owned()), "options");
        assert_eq!(wrong(&|form| form.skus = "a/b: S".to_owned()), "skus");
        assert_eq!(wrong(&|form| form.skus = "shirt-s: L".to_owned()), "skus");
    }
}

//! A catalogue from a file: what a line names is changed, and everything else stays.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::options::Variant;
use super::product::{Product, merge};
use super::texts::{OptionText, ProductCode};
use crate::domain::ids::{ProductName, SkuCode, SkuId};
use crate::domain::items::MAX_ON_HAND;
use crate::domain::money::{DiscountRatio, Won};
use crate::domain::sku::{SkuChange, SkuDefinition};

/// A product as a line of a file names it: a merge patch of it, with SKUs that are made or changed and belong to it.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where it stands in the file, as its sender says.
    pub number: u64,
    pub code: ProductCode,
    patch: Map<String, Value>,
    pub skus: Vec<SkuLine>,
}

/// A SKU of a line. What is absent stays.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkuLine {
    pub sku: SkuCode,
    choices: Option<Vec<OptionText>>,
    name: Option<ProductName>,
    price_won: Option<i64>,
    #[serde(default, deserialize_with = "named")]
    discount_ratio: Option<Option<f64>>,
    #[serde(default, deserialize_with = "named")]
    max_per_customer: Option<Option<i32>>,
    on_hand: Option<i64>,
}

/// Reads a member that is there, null or not.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(member: D) -> Result<Option<T>, D::Error> {
    T::deserialize(member).map(Some)
}

/// Something that is not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportBadLine)]
pub struct BadLine {
    /// Where it stands in the file.
    pub line: u64,
    /// The product it is about, if that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl Line {
    /// Reads a line, the `position`th of its portion.
    pub fn parse(text: &str, position: u64) -> Result<Self, BadLine> {
        let bad = |line: u64, product: Option<&str>, reason: String| BadLine {
            line,
            product: product.map(str::to_owned),
            reason,
        };
        let object: Result<Map<String, Value>, _> = serde_json::from_str(text);
        let mut patch = object.map_err(|error| bad(position, None, format!("no JSON object: {error}")))?;
        let number = patch.remove("line").and_then(|line| line.as_u64()).unwrap_or(position);
        let code = patch.remove("product");
        let code = code.as_ref().and_then(Value::as_str).unwrap_or_default();
        let parsed = ProductCode::parse(code).map_err(|invalid| bad(number, None, invalid.to_string()))?;
        let skus = patch.remove("skus").unwrap_or_else(|| json!([]));
        let skus: Vec<SkuLine> = serde_json::from_value(skus)
            .map_err(|error| bad(number, Some(code), format!("skus: {error}")))?;
        Ok(Self { number, code: parsed, patch, skus })
    }

    /// The same, not taken for this reason.
    pub fn bad(&self, reason: impl ToString) -> BadLine {
        BadLine { line: self.number, product: Some(self.code.to_string()), reason: reason.to_string() }
    }
}

/// A SKU that there is.
#[derive(Debug, Clone)]
pub struct KnownSku {
    pub id: SkuId,
    pub definition: SkuDefinition,
    pub on_hand: i32,
    /// The product that it belongs to.
    pub product: Option<String>,
}

/// A product that there is.
#[derive(Debug, Clone, Copy)]
pub struct KnownProduct<'a> {
    pub product: &'a Product,
    pub is_archived: bool,
}

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportDifferenceKind)]
pub enum DifferenceKind {
    ProductCreated,
    ProductChanged,
    SkuCreated,
    SkuChanged,
    /// The file says another number of units than there is. It is not changed: a receipt or a count does that.
    StockDiffers,
    /// The product is archived, and the file does not bring it back: a PUT does that.
    StaysArchived,
}

/// What a file changes, or would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportDifference)]
pub struct Difference {
    /// Where the product stands in the file.
    pub line: u64,
    pub product: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    pub kind: DifferenceKind,
    /// Each member that changes, as it was and as it will be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Vec<Value>>,
}

/// What a line comes to.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The product, if it is another one than there is.
    pub product: Option<Product>,
    pub new_skus: Vec<(SkuDefinition, i32)>,
    pub changed_skus: Vec<(SkuId, SkuDefinition)>,
    pub differences: Vec<Difference>,
}

/// What a line comes to beside what there is, or why it is not taken.
pub fn plan(
    line: &Line,
    known: Option<KnownProduct<'_>>,
    skus: &HashMap<String, KnownSku>,
) -> Result<Plan, String> {
    let product = planned_product(line, known.map(|known| known.product))?;
    let mut plan = Plan::default();
    let code = line.code.to_string();
    let mut differ = |sku: Option<&SkuCode>, kind, fields| {
        let sku = sku.map(ToString::to_string);
        plan.differences.push(Difference { line: line.number, product: code.clone(), sku, kind, fields });
    };
    match known {
        Some(known) => {
            if *known.product != product {
                let fields = differing(document(known.product)?, document(&product)?);
                differ(None, DifferenceKind::ProductChanged, fields);
                plan.product = Some(product.clone());
            }
            if known.is_archived {
                differ(None, DifferenceKind::StaysArchived, BTreeMap::new());
            }
        }
        None => {
            differ(None, DifferenceKind::ProductCreated, BTreeMap::new());
            plan.product = Some(product.clone());
        }
    }
    for sku in &line.skus {
        let rule = |error: crate::domain::Invalid| format!("{}: {error}", sku.sku);
        let on_hand = sku.units().map_err(rule)?;
        let Some(known) = skus.get(sku.sku.as_str()) else {
            let definition = sku.begin(&product.name).map_err(rule)?;
            differ(Some(&sku.sku), DifferenceKind::SkuCreated, BTreeMap::new());
            plan.new_skus.push((definition, on_hand.unwrap_or(0)));
            continue;
        };
        if let Some(other) = known.product.as_ref().filter(|other| **other != code) {
            return Err(format!("{} belongs to {other}", sku.sku));
        }
        let definition = sku.change().map_err(rule)?.apply(known.definition.clone()).map_err(rule)?;
        if definition != known.definition {
            let fields = differing(sku_document(&known.definition), sku_document(&definition));
            differ(Some(&sku.sku), DifferenceKind::SkuChanged, fields);
            plan.changed_skus.push((known.id, definition));
        }
        if let Some(on_hand) = on_hand.filter(|on_hand| *on_hand != known.on_hand) {
            let fields = [("on_hand".to_owned(), vec![json!(known.on_hand), json!(on_hand)])];
            differ(Some(&sku.sku), DifferenceKind::StockDiffers, fields.into());
        }
    }
    Ok(plan)
}

/// The product as a line leaves it.
fn planned_product(line: &Line, known: Option<&Product>) -> Result<Product, String> {
    let mut after = match known {
        Some(product) => document(product)?,
        None => json!({}),
    };
    // Values of an option that the file does not know stay behind those it does.
    let mut patch = line.patch.clone();
    if let (Some(options), Some(known)) = (patch.get_mut("options"), known) {
        keep_values(options, known);
    }
    merge(&mut after, Value::Object(patch));
    let mut product: Product = serde_json::from_value(after).map_err(|error| error.to_string())?;
    for sku in &line.skus {
        match product.skus.iter_mut().find(|variant| variant.sku == sku.sku) {
            Some(variant) => {
                if let Some(choices) = &sku.choices {
                    variant.choices.clone_from(choices);
                }
            }
            None => product
                .skus
                .push(Variant { sku: sku.sku.clone(), choices: sku.choices.clone().unwrap_or_default() }),
        }
    }
    product.checked().map_err(|invalid| invalid.to_string())
}

fn keep_values(options: &mut Value, known: &Product) {
    for option in options.as_array_mut().into_iter().flatten() {
        let name = option.get("name").and_then(Value::as_str);
        let known = known.options.iter().find(|known| Some(known.name.as_str()) == name);
        // What is no option at all is refused when it is read as one.
        let values = option.get_mut("values").and_then(Value::as_array_mut);
        let (Some(known), Some(values)) = (known, values) else { continue };
        for value in &known.values {
            let value = json!(value);
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
}

impl SkuLine {
    fn units(&self) -> Result<Option<i32>, crate::domain::Invalid> {
        let Some(units) = self.on_hand else { return Ok(None) };
        let fits = i32::try_from(units).ok().filter(|units| (0..=MAX_ON_HAND).contains(&i64::from(*units)));
        let rule = crate::domain::Invalid::new("on_hand", "a whole number from 0 to 1,000,000,000");
        fits.map(Some).ok_or(rule)
    }

    fn change(&self) -> Result<SkuChange, crate::domain::Invalid> {
        if self.max_per_customer.flatten().is_some_and(|most| most < 1) {
            return Err(crate::domain::Invalid::new("max_per_customer", "1 or more"));
        }
        let discount = |ratio: Option<f64>| DiscountRatio::parse(ratio.unwrap_or_default());
        Ok(SkuChange {
            name: self.name.clone(),
            price: self.price_won.map(|won| Won::parse("price_won", won)).transpose()?,
            discount: self.discount_ratio.map(discount).transpose()?,
            max_per_customer: self.max_per_customer,
            ..SkuChange::default()
        })
    }

    /// A new SKU, which is called as its product unless it has a name of its own.
    fn begin(&self, product: &ProductName) -> Result<SkuDefinition, crate::domain::Invalid> {
        let change = self.change()?;
        let price = change.price.ok_or(crate::domain::Invalid::new("price_won", "there for a new SKU"))?;
        let name = change.name.clone().unwrap_or_else(|| product.clone());
        change.begin(self.sku.clone(), name, price)
    }
}

fn document(product: &Product) -> Result<Value, String> {
    serde_json::to_value(product).map_err(|error| error.to_string())
}

/// What a file says of a SKU.
pub fn sku_document(sku: &SkuDefinition) -> Value {
    json!({"name": sku.name, "price_won": sku.price.0, "discount_ratio": sku.discount.ratio(),
           "max_per_customer": sku.max_per_customer})
}

/// The members in which two documents differ.
fn differing(before: Value, after: Value) -> BTreeMap<String, Vec<Value>> {
    let (Value::Object(mut before), Value::Object(after)) = (before, after) else { return BTreeMap::new() };
    let pairs = after.into_iter().map(|(name, after)| {
        let before = before.remove(&name).unwrap_or(Value::Null);
        (name, vec![before, after])
    });
    pairs.filter(|(_, pair)| pair[0] != pair[1]).collect()
}

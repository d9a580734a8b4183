//! Products as answers show them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::markdown;
use super::views::is_false;
use crate::domain::catalogue::options::ProductOption;
use crate::domain::catalogue::product::TextFormat;
use crate::domain::ids::SkuId;
use crate::store::catalogue::shown::{ProductState, Shown, ShownSku, Summary};
use crate::store::stock::available::Available;

/// A product on a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductSummary {
    /// Its code.
    pub product: String,
    /// Its name.
    pub name: String,
    /// The picture that stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The shelf it stands on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Words under which it is found.
    pub tags: Vec<String>,
    /// Whether it can be bought now.
    pub sale_state: ProductState,
    /// From when on it is sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale_from: Option<DateTime<Utc>>,
    /// Until when it is sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale_until: Option<DateTime<Utc>>,
    /// The lowest of what one unit of its SKUs costs after discount, in whole won: of those that can be bought now or, before
    /// its sale begins, will be. Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_from_won: Option<i64>,
    /// The highest of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_to_won: Option<i64>,
    /// The greatest discount of the same SKUs, from 0 to 1.
    pub discount_ratio: f64,
    /// Units of the same SKUs that the next buyers can have.
    pub available: i64,
    /// True if there may be more units than that: so many holds of the shop are overdue that not all were looked at.
    #[serde(skip_serializing_if = "is_false")]
    pub available_is_at_least: bool,
}

impl ProductSummary {
    /// A product with what is available of its SKUs.
    pub fn new(summary: Summary, available: &HashMap<SkuId, Available>) -> Self {
        let of_sku = |sku: &SkuId| available.get(sku).copied().unwrap_or_default();
        let available = summary.offered.iter().map(of_sku).fold(Available::default(), Available::plus);
        let price = |won: i64| (summary.prices.offered_count > 0).then_some(won);
        Self {
            price_from_won: price(summary.prices.from.0),
            price_to_won: price(summary.prices.to.0),
            discount_ratio: summary.prices.discount.ratio(),
            product: summary.code,
            name: summary.name,
            image_url: summary.image_urls.into_iter().next(),
            category: summary.category,
            tags: summary.tags,
            sale_state: summary.state,
            sale_from: summary.sale_from,
            sale_until: summary.sale_until,
            available: available.units,
            available_is_at_least: available.is_at_least,
        }
    }
}

/// Some products.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductList {
    /// The products.
    pub products: Vec<ProductSummary>,
    /// Pass it as `after` to read on; absent at the end. A page may have fewer products than asked for, or none, and go on all
    /// the same: it looks through 5,000 at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A product in full.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductView {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: ProductSummary,
    /// What is said of it, as the shop wrote it.
    pub description: String,
    /// How the description is written.
    pub description_format: TextFormat,
    /// The description as HTML that any page may show.
    pub description_html: String,
    /// Its pictures.
    pub image_urls: Vec<String>,
    /// What buyers choose, and from what, in order.
    pub options: Vec<ProductOption>,
    /// What is sold, in order.
    pub skus: Vec<ProductSku>,
    /// Whether the shop shows it to buyers.
    pub is_active: bool,
    /// When the shop took it off for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
}

/// A SKU of a product.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductSku {
    /// The SKU's code.
    pub sku: String,
    /// One value of each option, in the order of the options.
    pub choices: Vec<String>,
    /// The price of one unit, in whole won.
    pub price_won: i64,
    /// What is taken off, from 0 to 1.
    pub discount_ratio: f64,
    /// What one unit costs after discount, in whole won.
    pub discounted_won: i64,
    /// Units of it one customer may have, if it sets a limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_customer: Option<i32>,
    /// Whether it can be ordered now, as far as its sale goes.
    pub is_on_sale: bool,
    /// Units the next buyer can have; overdue holds no longer keep theirs.
    pub available: i64,
    /// True if there may be more units than that.
    #[serde(skip_serializing_if = "is_false")]
    pub available_is_at_least: bool,
}

impl ProductSku {
    fn new(sku: ShownSku, available: Available) -> Self {
        Self {
            sku: sku.code,
            choices: sku.choices,
            price_won: sku.price.0,
            discount_ratio: sku.discount.ratio(),
            discounted_won: sku.discount.apply(sku.price).0,
            max_per_customer: sku.max_per_customer,
            is_on_sale: sku.is_on_sale,
            available: available.units,
            available_is_at_least: available.is_at_least,
        }
    }
}

impl ProductView {
    /// A product with what is available of its SKUs.
    pub fn new(shown: Shown, available: &HashMap<SkuId, Available>) -> Self {
        let image_urls = shown.summary.image_urls.clone();
        let skus = shown.skus.into_iter().map(|sku| {
            let available = available.get(&sku.id).copied().unwrap_or_default();
            ProductSku::new(sku, available)
        });
        Self {
            skus: skus.collect(),
            summary: ProductSummary::new(shown.summary, available),
            description_html: markdown::to_html(&shown.description, shown.description_format),
            description: shown.description,
            description_format: shown.description_format,
            image_urls,
            options: shown.options,
            is_active: shown.is_active,
            archived_at: shown.archived_at,
        }
    }
}

//! What is sold: the list, and one product.

use axum::extract::Path;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Query, new_key, product_code};
use crate::clock;
use crate::shop::answers::{FullProduct, ProductList, Sku};
use crate::shop::frame::{Frame, draw_anew, page};
use crate::shop::refused::Refused;
use crate::shop::visitor::Visitor;
use crate::shop::words::Words;

const ON_A_PAGE: &str = "24";

/// What a buyer looks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sought {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    q: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    category: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tag: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sort: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    after: String,
}

impl Sought {
    fn path(&self) -> String {
        let query = serde_urlencoded::to_string(self).unwrap_or_default();
        format!("/v1/products?limit={ON_A_PAGE}&{query}")
    }

    /// The page that looks for the same after this place.
    fn next(&self, after: &str) -> String {
        let next = Self { after: after.to_owned(), ..self.clone() };
        format!("/shop?{}", serde_urlencoded::to_string(next).unwrap_or_default())
    }

    fn is_anything(&self) -> bool {
        !(self.q.is_empty() && self.category.is_empty() && self.tag.is_empty())
    }
}

#[derive(askama::Template)]
#[template(path = "shop/products.html")]
struct ProductsPage {
    frame: Frame,
    list: ProductList,
    sought: Sought,
    categories: Vec<String>,
    next: Option<String>,
}

impl ProductsPage {
    /// The orders in which a list may be, as they are asked for and said.
    fn orders(&self) -> [(&'static str, String); 4] {
        let w = self.frame.words;
        [
            ("newest", w.t("sort-newest")),
            ("name", w.t("sort-name")),
            ("price", w.t("sort-price")),
            ("-price", w.t("sort-price-down")),
        ]
    }
}

/// All products, or those that are looked for.
pub async fn list(visitor: Visitor, Query(sought): Query<Sought>) -> Result<Response, Refused> {
    let (frame, list) = tokio::join!(visitor.frame(), visitor.read::<ProductList>(sought.path()));
    let list = list?;
    let mut categories: Vec<String> =
        list.products.iter().filter_map(|product| product.category.clone()).collect();
    categories.sort();
    categories.dedup();
    let next = list.next.as_deref().map(|after| sought.next(after));
    Ok(page(&ProductsPage { frame, list, sought, categories, next }))
}

#[derive(askama::Template)]
#[template(path = "shop/product.html")]
struct ProductPage {
    frame: Frame,
    full: FullProduct,
    /// Repeats of one form are one order.
    key: String,
}

/// One product, with what there is of it now.
pub async fn show(visitor: Visitor, Path(product): Path<String>) -> Result<Response, Refused> {
    let path = format!("/v1/products/{}", product_code(product)?);
    let (frame, full) = tokio::join!(visitor.frame(), visitor.read::<FullProduct>(path));
    Ok(page(&ProductPage { frame, full: full?, key: new_key() }))
}

impl ProductPage {
    /// Whether more of it can be put into a cart and bought now.
    fn can_be_bought(&self) -> bool {
        self.full.product.is_on_sale() && !self.full.product.is_sold_out()
    }

    /// Whether there is a line to stand in: for the sale, or for a SKU that is sold out.
    fn has_line(&self) -> bool {
        let is_short = |sku: &Sku| sku.is_on_sale && sku.available <= 0 && !sku.available_is_at_least;
        self.full.product.is_upcoming() || self.full.skus.iter().any(is_short)
    }
}

/// What a page of a product has seen of it.
#[derive(Debug, Deserialize)]
pub struct Seen {
    seen: String,
}

#[derive(askama::Template)]
#[template(path = "shop/product_live.html")]
struct LivePart {
    w: Words,
    full: FullProduct,
    now: DateTime<Utc>,
}

/// How many there are of each SKU now; or the word to draw the page anew, if it is sold otherwise than the page says.
pub async fn live(
    visitor: Visitor,
    Path(product): Path<String>,
    Query(Seen { seen }): Query<Seen>,
) -> Result<Response, Refused> {
    let full: FullProduct = visitor.read(format!("/v1/products/{}", product_code(product)?)).await?;
    if full.product.seen() != seen {
        return Ok(draw_anew());
    }
    Ok(page(&LivePart { w: visitor.words, full, now: clock::now() }))
}

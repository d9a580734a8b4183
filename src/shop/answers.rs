//! What pages read of the API's answers.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub struct Guest {
    pub guest: String,
}

#[derive(Debug, Deserialize)]
pub struct ProductList {
    pub products: Vec<Product>,
    pub next: Option<String>,
}

/// How a product is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductSale {
    OnSale,
    Upcoming,
    /// It is not.
    #[serde(other)]
    Not,
}

/// A product, as lists show it.
#[derive(Debug, Deserialize)]
pub struct Product {
    pub product: String,
    pub name: String,
    pub image_url: Option<String>,
    pub category: Option<String>,
    pub sale_state: ProductSale,
    pub sale_from: Option<DateTime<Utc>>,
    pub price_from_won: Option<i64>,
    pub price_to_won: Option<i64>,
    pub discount_ratio: f64,
    pub available: i64,
    #[serde(default)]
    pub available_is_at_least: bool,
}

impl Product {
    pub fn is_upcoming(&self) -> bool {
        self.sale_state == ProductSale::Upcoming
    }

    pub fn is_on_sale(&self) -> bool {
        self.sale_state == ProductSale::OnSale
    }

    pub fn is_sold_out(&self) -> bool {
        self.is_on_sale() && self.available <= 0 && !self.available_is_at_least
    }

    /// What has a page that shows this product drawn anew when it is another.
    pub fn seen(&self) -> String {
        format!(
            "{:?}-{:?}-{:?}-{}",
            self.sale_state,
            self.price_from_won,
            self.price_to_won,
            self.is_sold_out()
        )
    }

    /// Whether its SKUs cost different amounts.
    pub fn price_varies(&self) -> bool {
        self.price_from_won != self.price_to_won
    }
}

/// A product in full.
#[derive(Debug, Deserialize)]
pub struct FullProduct {
    #[serde(flatten)]
    pub product: Product,
    pub description_html: String,
    #[serde(default)]
    pub image_urls: Vec<String>,
    #[serde(default)]
    pub options: Vec<ProductOption>,
    pub skus: Vec<Sku>,
}

#[derive(Debug, Deserialize)]
pub struct ProductOption {
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub struct Sku {
    pub sku: String,
    #[serde(default)]
    pub choices: Vec<String>,
    pub price_won: i64,
    pub discounted_won: i64,
    pub max_per_customer: Option<i64>,
    pub is_on_sale: bool,
    pub available: i64,
    #[serde(default)]
    pub available_is_at_least: bool,
}

impl Cart {
    /// The name of one of its SKUs.
    pub fn name_of(&self, sku: &str) -> String {
        let item = self.items.iter().find(|item| item.sku == sku);
        item.and_then(|item| item.name.as_deref()).unwrap_or(sku).to_owned()
    }

    /// The order that was asked for and has not taken its things out yet.
    pub fn open_order(&self) -> Option<&str> {
        let last = self.last_checkout.as_ref().filter(|last| last.status == "open");
        last.map(|last| last.order_id.as_str())
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Cart {
    pub items: Vec<CartItem>,
    pub amount_won: i64,
    pub last_checkout: Option<LastCheckout>,
}

/// How a SKU in a cart is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemSale {
    On,
    Upcoming,
    #[serde(other)]
    Off,
}

#[derive(Debug, Deserialize)]
pub struct CartItem {
    pub sku: String,
    pub quantity: i64,
    pub put_in_at_won: i64,
    #[serde(default)]
    pub is_unknown: bool,
    pub name: Option<String>,
    pub discounted_price_won: Option<i64>,
    pub amount_won: Option<i64>,
    #[serde(default)]
    pub price_changed: Option<bool>,
    pub sale: Option<ItemSale>,
    pub sale_from: Option<DateTime<Utc>>,
    pub available: Option<i64>,
    #[serde(default)]
    pub available_is_at_least: bool,
    #[serde(default)]
    pub is_enough: bool,
}

impl CartItem {
    pub fn is_upcoming(&self) -> bool {
        self.sale == Some(ItemSale::Upcoming)
    }

    /// Whether its sale is over, or the shop no longer knows it.
    pub fn is_gone(&self) -> bool {
        self.is_unknown || self.sale == Some(ItemSale::Off)
    }

    pub fn has_new_price(&self) -> bool {
        self.price_changed == Some(true)
    }

    /// Whether more of it are wanted than the next buyer can have.
    pub fn is_short(&self) -> bool {
        !self.is_gone() && !self.is_upcoming() && !self.is_enough && !self.available_is_at_least
    }
}

#[derive(Debug, Deserialize)]
pub struct LastCheckout {
    pub order_id: String,
    pub status: String,
}

#[derive(Debug, Deserialize)]
pub struct OrderList {
    pub orders: Vec<Order>,
    pub next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Order {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub amount_won: i64,
    #[serde(default)]
    pub refunded_won: i64,
    pub created_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    /// What is left of the hold by the server's clock.
    pub expires_in_ms: Option<i64>,
    #[serde(default)]
    pub may_extend: bool,
    #[serde(default)]
    pub extension_count: i64,
    pub wait_until: Option<DateTime<Utc>>,
    pub refusal: Option<Value>,
    /// Until when the buyer may take it back by themselves.
    pub return_until: Option<DateTime<Utc>>,
    #[serde(default)]
    pub items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
pub struct Item {
    pub sku: String,
    pub name: String,
    pub quantity: i64,
    pub amount_won: i64,
}

impl Order {
    /// What has a page that shows this order drawn anew when it is another: how it stands, and where in line.
    pub fn seen(&self, places: &[Place]) -> String {
        let deadline = self.expires_at.map_or(0, |at| at.timestamp_millis());
        let before: i64 = places.iter().map(|place| place.before).sum();
        format!("{}-{deadline}-{}-{before}", self.status, self.refunded_won)
    }

    /// The name of one of its SKUs.
    pub fn name_of(&self, sku: &str) -> String {
        let item = self.items.iter().find(|item| item.sku == sku);
        item.map_or(sku, |item| &item.name).to_owned()
    }

    /// Whether somebody is still deciding about it, so that a page looks again by itself.
    pub fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "accepted" | "waiting" | "held" | "paying")
    }

    pub fn is(&self, status: &str) -> bool {
        self.status == status
    }

    /// Why it was refused, as problems are called.
    pub fn refusal_kind(&self) -> Option<String> {
        let reason = self.refusal.as_ref()?["reason"].as_str()?;
        Some(reason.replace('_', "-"))
    }

    pub fn may_be_returned(&self) -> bool {
        self.return_until.is_some()
    }

    /// A short name of it.
    pub fn title(&self) -> String {
        match self.items.as_slice() {
            [] => self.id.chars().take(8).collect(),
            [only] => only.name.clone(),
            [first, rest @ ..] => format!("{} +{}", first.name, rest.len()),
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Places {
    pub places: Vec<Place>,
}

#[derive(Debug, Deserialize)]
pub struct Place {
    pub sku: String,
    pub quantity: i64,
    pub before: i64,
    #[serde(default)]
    pub before_is_at_least: bool,
}

#[derive(Debug, Deserialize)]
pub struct History {
    pub facts: Vec<Fact>,
}

#[derive(Debug, Deserialize)]
pub struct Fact {
    #[serde(rename = "type")]
    pub kind: String,
    pub occurred_at: DateTime<Utc>,
}

impl Fact {
    /// What it is called where texts have no dots in their names.
    pub fn name(&self) -> String {
        self.kind.replace('.', "-")
    }
}

/// A SKU of which too little is there.
#[derive(Debug, Deserialize)]
pub struct Shortage {
    pub sku: String,
    pub available: i64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Purse {
    pub balance_won: i64,
    pub reserved_won: i64,
}

#[derive(Debug, Deserialize)]
pub struct Charge {
    pub id: String,
    pub status: String,
    pub amount_won: i64,
}

#[derive(Debug, Deserialize)]
pub struct Session {
    pub token: String,
    pub next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Customer {
    pub email: Option<String>,
}

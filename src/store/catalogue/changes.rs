//! What a shop changes of a product, beside what there is.

use crate::domain::catalogue::product::Product;
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::ids::SkuCode;
use crate::domain::sku::Sale;

/// A product as it is kept.
#[derive(Debug, Clone)]
pub struct Stored {
    pub id: i64,
    /// One more with every change of what a shop writes.
    pub version: i64,
    pub is_archived: bool,
    pub product: Product,
}

/// A product to write in place of what is locked under its code, or that is new.
#[derive(Debug, Clone)]
pub struct Change {
    pub code: ProductCode,
    pub before: Option<Stored>,
    pub product: Product,
    /// Whether it is back from where archived products lie, if it was there: only who says so brings it back.
    pub brings_back: bool,
}

impl Change {
    /// Whether it is archived afterwards.
    pub(super) fn stays_archived(&self) -> bool {
        !self.brings_back && self.before.as_ref().is_some_and(|old| old.is_archived)
    }
}

/// Why nothing is written. The transaction has to be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// There is no SKU of this code.
    #[error("there is no SKU {0}")]
    UnknownSku(SkuCode),
    /// A SKU is another product's.
    #[error("a SKU belongs to another product; take it out of that one first")]
    SkuOfAnother,
    /// Somebody else has made one of the products at the same time.
    #[error("somebody else has made it at the same time")]
    MadeMeanwhile,
    /// The database said no.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// When the SKUs of a product were sold because of it.
pub(super) fn sale_before(stored: &Stored) -> Sale {
    let sale = sale_of(&stored.product);
    Sale { is_active: sale.is_active && !stored.is_archived, ..sale }
}

pub(super) fn sale_of(product: &Product) -> Sale {
    Sale { is_active: product.is_active, from: product.sale_from, until: product.sale_until }
}

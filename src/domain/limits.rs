//! What one customer may hold at once, so that a hoarder cannot take the stock.

/// The configured limits; a SKU's own `max_per_customer` goes before `max_units_per_sku`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Live holds of one customer.
    pub max_live_holds: u32,
    /// Units of one SKU in the live holds of one customer.
    pub max_units_per_sku: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_live_holds: 10, max_units_per_sku: 100 }
    }
}

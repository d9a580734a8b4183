//! How products stand, and what buyers see of them.

/// How a product stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProductState {
    /// It can be bought.
    OnSale,
    /// Its sale begins later.
    Upcoming,
    /// Its sale is over.
    Ended,
    /// The shop does not show it, or none of its SKUs is sold.
    Inactive,
    /// The shop has taken it off for good.
    Archived,
}

impl ProductState {
    pub const ALL: [Self; 5] = [Self::OnSale, Self::Upcoming, Self::Ended, Self::Inactive, Self::Archived];

    /// As the database says it, and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnSale => "on_sale",
            Self::Upcoming => "upcoming",
            Self::Ended => "ended",
            Self::Inactive => "inactive",
            Self::Archived => "archived",
        }
    }

    /// Whether buyers see such a product.
    pub fn is_for_buyers(self) -> bool {
        matches!(self, Self::OnSale | Self::Upcoming)
    }

    pub(super) fn parse(name: &str) -> sqlx::Result<Self> {
        let state = Self::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| sqlx::Error::Decode(format!("{name} is no state of a product").into()))
    }
}

/// The states of products that are hidden from buyers, and their SKUs with them.
pub fn hidden() -> Vec<String> {
    let hidden = ProductState::ALL.into_iter().filter(|state| !state.is_for_buyers());
    hidden.map(|state| state.name().to_owned()).collect()
}

//! The orders of lists of products, and places on them.

/// Behind every folded name.
const LAST_NAME: &str = "\u{10ffff}";

/// The order of a list.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
pub enum Sort {
    /// What was made last first.
    #[default]
    #[serde(rename = "newest")]
    Newest,
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameBackwards,
    /// The lowest price first.
    #[serde(rename = "price")]
    Price,
    #[serde(rename = "-price")]
    PriceBackwards,
}

/// The place of a product on a list: what the lists are sorted by, and its id.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    pub id: i64,
    pub name: String,
    pub price_won: i64,
}

impl Sort {
    /// Before the first product of a list.
    pub(super) fn beginning(self) -> Place {
        let (id, name, price_won) = match self {
            Self::Newest => (i64::MAX, "", 0),
            Self::Name => (0, "", 0),
            Self::NameBackwards => (i64::MAX, LAST_NAME, 0),
            Self::Price => (0, "", -1),
            Self::PriceBackwards => (i64::MAX, "", i64::MAX),
        };
        Place { id, name: name.to_owned(), price_won }
    }

    /// How two products stand to each other on the list.
    pub(super) fn compare(self, one: &Place, other: &Place) -> std::cmp::Ordering {
        let by_name = || (&one.name, one.id).cmp(&(&other.name, other.id));
        let by_price = || (one.price_won, one.id).cmp(&(other.price_won, other.id));
        match self {
            Self::Newest => other.id.cmp(&one.id),
            Self::Name => by_name(),
            Self::NameBackwards => by_name().reverse(),
            Self::Price => by_price(),
            Self::PriceBackwards => by_price().reverse(),
        }
    }
}

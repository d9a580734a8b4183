//! How stock looks to operators, in JSON as on pages.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::views::{SkuView, is_false};
use crate::store::stock::desk::{LiveHold, Movement, Sales};

/// Some SKUs in the order of their codes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsStockPage)]
pub struct StockPage {
    /// The SKUs.
    pub skus: Vec<SkuView>,
    /// Pass it as `after` to read on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One SKU with its holds and movements.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsStock)]
pub struct SkuDetail {
    /// The SKU and its numbers.
    pub sku: SkuView,
    /// Who holds its units, those that fall due first first, at most 100.
    pub holds: Vec<HoldView>,
    /// True if the shop has so many live holds that only the 5,000 that fall due first were looked through for these, and
    /// the first 5,000 that are being paid.
    #[serde(default, skip_serializing_if = "is_false")]
    pub holds_may_be_more: bool,
    /// What was sold of it, less what was refunded.
    pub sales: Sales,
    /// What changed how many units there are, the latest first. Units that were refunded and written off left when they
    /// were sold, and move nothing.
    pub movements: Vec<MovementView>,
    /// Pass it as `before` to read older movements; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A hold that keeps units.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsLiveHold)]
pub struct HoldView {
    /// The order.
    pub order_id: Uuid,
    /// Whose it is.
    pub customer: String,
    /// Units it keeps.
    pub units: i32,
    /// held, or paying while money is asked for
    pub status: Cow<'static, str>,
    /// From this instant on it cannot be paid.
    pub expires_at: DateTime<Utc>,
    /// Seconds until then, negative once it is overdue.
    pub seconds_left: i64,
}

impl From<LiveHold> for HoldView {
    fn from(hold: LiveHold) -> Self {
        Self {
            order_id: hold.order_id,
            customer: hold.customer_id,
            units: hold.units,
            status: hold.status.name().into(),
            expires_at: hold.expires_at,
            seconds_left: hold.seconds_left,
        }
    }
}

/// Units that came or went.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsMovement)]
pub struct MovementView {
    /// Its number; later movements have higher ones.
    pub id: i64,
    /// received, adjusted, sold, or returned (refunded units that are sold again)
    pub kind: String,
    /// How many units came, negative for those that went, 0 if a count found what was expected.
    pub units: i32,
    /// Units owned afterwards.
    pub on_hand: i64,
    /// The order that bought them or brought them back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Uuid>,
    /// The operator who received or counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl MovementView {
    /// A movement after which there were so many units.
    pub(super) fn new(movement: Movement, on_hand: i64) -> Self {
        Self {
            id: movement.id,
            kind: movement.kind,
            units: movement.units,
            on_hand,
            order_id: movement.order_id,
            actor: movement.actor,
            reason: movement.note,
            created_at: movement.created_at,
        }
    }
}

//! How many units of SKUs the next buyer can have.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::skus::OVERDUE_LOOKED_AT;
use crate::domain::ids::SkuId;

/// Units of a SKU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Available {
    pub units: i64,
    /// Whether so many holds of the shop are overdue that not all were looked at: there may be more.
    pub is_at_least: bool,
}

impl Available {
    /// Of two SKUs together.
    pub fn plus(self, other: Self) -> Self {
        Self { units: self.units + other.units, is_at_least: self.is_at_least || other.is_at_least }
    }
}

/// What is available of these SKUs at one instant. Holds whose time is up no longer keep theirs.
pub async fn of(conn: &mut PgConnection, skus: &[SkuId]) -> sqlx::Result<HashMap<SkuId, Available>> {
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    let rows = sqlx::query!(
        r#"WITH overdue AS MATERIALIZED (
               SELECT id FROM orders
                WHERE status = 'held' AND expires_at >= holds_ended_before() AND expires_at <= now()
                ORDER BY expires_at LIMIT $2
           ), given_back AS MATERIALIZED (
               SELECT sku_id, sum(quantity)::int AS units FROM order_items
                WHERE order_id = ANY(ARRAY(SELECT id FROM overdue)) GROUP BY sku_id
           )
           SELECT st.sku_id,
                  st.on_hand - st.reserved
                  + CASE WHEN st.reserved > 0
                         THEN coalesce((SELECT units FROM given_back WHERE given_back.sku_id = st.sku_id), 0)
                         ELSE 0 END AS "units!",
                  st.reserved > 0 AND (SELECT count(*) FROM overdue) >= $2 AS "is_at_least!"
             FROM stock st WHERE st.sku_id = ANY($1)"#,
        &skus,
        OVERDUE_LOOKED_AT,
    )
    .fetch_all(conn)
    .await?;
    let available = rows.into_iter().map(|row| {
        let available = Available { units: i64::from(row.units), is_at_least: row.is_at_least };
        (SkuId(row.sku_id), available)
    });
    Ok(available.collect())
}

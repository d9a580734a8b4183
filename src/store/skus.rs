//! The catalogue: making, changing and reading SKUs.

use sqlx::PgConnection;

use crate::domain::ids::{ProductName, SkuCode};
use crate::domain::money::{DiscountRatio, Won};

/// What a shop says of a SKU.
#[derive(Debug, Clone)]
pub struct SkuDefinition {
    /// Its code.
    pub code: SkuCode,
    /// Its name.
    pub name: ProductName,
    /// The price of one unit.
    pub price: Won,
    /// What is taken off the price.
    pub discount: DiscountRatio,
    /// Its own limit of units per customer.
    pub max_per_customer: Option<i32>,
    /// Units owned, absolute; absent leaves them as they are.
    pub on_hand: Option<i32>,
}

/// A SKU as the catalogue knows it.
#[derive(Debug, Clone)]
pub struct SkuRow {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The price of one unit.
    pub price: Won,
    /// What is taken off the price.
    pub discount: DiscountRatio,
    /// Its own limit of units per customer.
    pub max_per_customer: Option<i32>,
    /// Units owned.
    pub on_hand: i32,
    /// Units set aside.
    pub reserved: i32,
    /// Units set aside by holds whose time is up: the next buyer gets them.
    pub overdue: i32,
}

/// What became of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The SKU is new.
    Created,
    /// The SKU was there and is changed.
    Changed,
    /// More units are set aside than would be owned; nothing is changed.
    BelowReserved {
        /// Units set aside.
        reserved: i32,
    },
}

/// Creates or changes a SKU. Run it in a transaction and roll back on [`Put::BelowReserved`].
pub async fn put(conn: &mut PgConnection, sku: &SkuDefinition) -> sqlx::Result<Put> {
    let row = sqlx::query!(
        r#"INSERT INTO skus (code, name, price_won, discount_ratio_bp, max_per_customer)
           VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (code) DO UPDATE
              SET name = excluded.name, price_won = excluded.price_won,
                  discount_ratio_bp = excluded.discount_ratio_bp,
                  max_per_customer = excluded.max_per_customer, updated_at = now()
           RETURNING id, (xmax = 0) AS "created!""#,
        sku.code.as_str(),
        sku.name.as_str(),
        sku.price.0,
        sku.discount.basis_points(),
        sku.max_per_customer,
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!("INSERT INTO stock (sku_id) VALUES ($1) ON CONFLICT (sku_id) DO NOTHING", row.id)
        .execute(&mut *conn)
        .await?;
    let stock =
        sqlx::query!("SELECT on_hand, reserved FROM stock WHERE sku_id = $1 FOR NO KEY UPDATE", row.id)
            .fetch_one(&mut *conn)
            .await?;
    let put = if row.created { Put::Created } else { Put::Changed };
    let Some(on_hand) = sku.on_hand.filter(|on_hand| *on_hand != stock.on_hand) else {
        return Ok(put);
    };
    if on_hand < stock.reserved {
        return Ok(Put::BelowReserved { reserved: stock.reserved });
    }
    sqlx::query!(
        "WITH counted AS (UPDATE stock SET on_hand = $2 WHERE sku_id = $1)
         INSERT INTO stock_movements (sku_id, on_hand_change, reason)
         VALUES ($1, $3, CASE WHEN $3 > 0 THEN 'received' ELSE 'adjusted' END::stock_movement_reason)",
        row.id,
        on_hand,
        on_hand - stock.on_hand,
    )
    .execute(&mut *conn)
    .await?;
    Ok(put)
}

/// One SKU.
pub async fn find(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<SkuRow>> {
    let row = sqlx::query!(
        r#"SELECT s.code, s.name, s.price_won, s.discount_ratio_bp, s.max_per_customer, st.on_hand, st.reserved,
                  (SELECT coalesce(sum(i.quantity), 0)::int FROM orders o JOIN order_items i ON i.order_id = o.id
                    WHERE o.status = 'held' AND o.expires_at <= now() AND i.sku_id = s.id) AS "overdue!"
             FROM skus s JOIN stock st ON st.sku_id = s.id WHERE s.code = $1"#,
        code.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| SkuRow {
        code: row.code,
        name: row.name,
        price: Won(row.price_won),
        discount: DiscountRatio::from_basis_points(row.discount_ratio_bp),
        max_per_customer: row.max_per_customer,
        on_hand: row.on_hand,
        reserved: row.reserved,
        overdue: row.overdue,
    }))
}

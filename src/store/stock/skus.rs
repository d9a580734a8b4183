//! The catalogue: making, changing and reading SKUs.

use sqlx::PgConnection;

use crate::domain::ids::{ProductName, SkuCode, SkuId};
use crate::domain::money::{DiscountRatio, Won};

/// What a shop says of a SKU.
#[derive(Debug, Clone)]
pub struct SkuDefinition {
    pub code: SkuCode,
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
    pub code: String,
    pub name: String,
    /// The price of one unit.
    pub price: Won,
    /// What is taken off the price.
    pub discount: DiscountRatio,
    /// Its own limit of units per customer.
    pub max_per_customer: Option<i32>,
    pub on_hand: i32,
    pub reserved: i32,
    /// Units set aside by holds whose time is up: the next buyer gets them.
    pub overdue: i32,
    /// Whether so many holds of the shop are overdue that not all were looked at: there may be more such units.
    pub overdue_has_more: bool,
}

/// What became of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The SKU is new.
    Created,
    /// The SKU was there and is changed.
    Changed,
    /// More units are set aside than would be owned; nothing is changed.
    BelowReserved { reserved: i32 },
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

/// Overdue holds of the whole shop that are looked at to find those of a SKU. No index leads from a SKU to its holds: it
/// would cost every order.
pub const OVERDUE_LOOKED_AT: i64 = 1_000;

/// Which SKUs to read; what is absent does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The one of this code.
    pub code: Option<&'a SkuCode>,
    /// Those whose code begins with this, or whose name contains it.
    pub text: Option<&'a str>,
    /// Those after this code.
    pub after: Option<&'a str>,
}

/// SKUs in the order of their codes, with their stock at one instant.
pub async fn read(conn: &mut PgConnection, wanted: Wanted<'_>, limit: i64) -> sqlx::Result<Vec<SkuRow>> {
    let rows = sqlx::query!(
        r#"WITH overdue AS MATERIALIZED (
               SELECT id FROM orders
                WHERE status = 'held' AND expires_at >= holds_ended_before() AND expires_at <= now()
                ORDER BY expires_at LIMIT $5
           ), given_back AS MATERIALIZED (
               SELECT sku_id, sum(quantity)::int AS units FROM order_items
                WHERE order_id = ANY(ARRAY(SELECT id FROM overdue)) GROUP BY sku_id
           )
           SELECT s.code, s.name, s.price_won, s.discount_ratio_bp, s.max_per_customer, st.on_hand, st.reserved,
                  CASE WHEN st.reserved > 0
                       THEN coalesce((SELECT units FROM given_back WHERE given_back.sku_id = s.id), 0)
                       ELSE 0 END AS "overdue!",
                  st.reserved > 0 AND (SELECT count(*) FROM overdue) >= $5 AS "overdue_has_more!"
             FROM (SELECT * FROM skus
                    WHERE ($1::text IS NULL OR code = $1)
                      AND ($2::text IS NULL OR starts_with(lower(code), lower($2)) OR strpos(lower(name), lower($2)) > 0)
                      AND code > coalesce($3, '')
                    ORDER BY code LIMIT $4) s
             JOIN stock st ON st.sku_id = s.id ORDER BY s.code"#,
        wanted.code.map(SkuCode::as_str),
        wanted.text,
        wanted.after,
        limit,
        OVERDUE_LOOKED_AT,
    )
    .fetch_all(conn)
    .await?;
    let row = rows.into_iter().map(|row| SkuRow {
        code: row.code,
        name: row.name,
        price: Won(row.price_won),
        discount: DiscountRatio::from_basis_points(row.discount_ratio_bp),
        max_per_customer: row.max_per_customer,
        on_hand: row.on_hand,
        reserved: row.reserved,
        overdue: row.overdue,
        overdue_has_more: row.overdue_has_more,
    });
    Ok(row.collect())
}

pub async fn find(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<SkuRow>> {
    Ok(read(conn, Wanted { code: Some(code), ..Wanted::default() }, 1).await?.pop())
}

/// The row of a SKU.
pub async fn sku_id(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<SkuId>> {
    let id = sqlx::query_scalar!("SELECT id FROM skus WHERE code = $1", code.as_str()).fetch_optional(conn);
    Ok(id.await?.map(SkuId))
}

//! What was sold.

use chrono_tz::Tz;
use sqlx::PgConnection;

/// A SKU and what was sold of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    pub sku: String,
    /// Its name as it is now.
    pub name: String,
    /// Units sold, less those refunded.
    pub units: i64,
}

/// The SKUs of which most was sold on the last `days` days, today included, as days go in this time zone; those that buyers see,
/// or all.
pub async fn popular(
    conn: &mut PgConnection,
    days: i32,
    limit: i64,
    for_buyers: bool,
    time_zone: Tz,
) -> sqlx::Result<Vec<Sold>> {
    sqlx::query_as!(
        Sold,
        r#"SELECT s.code AS "sku!", s.name AS "name!", sold.units AS "units!"
             FROM (SELECT sku_id, sum(units)::bigint AS units FROM sku_sales
                    WHERE day > (now() AT TIME ZONE $3)::date - $1::integer
                    GROUP BY sku_id HAVING sum(units) > 0
                    ORDER BY 2 DESC, sku_id) sold
            CROSS JOIN LATERAL (SELECT id, code, name, is_active FROM skus WHERE id = sold.sku_id OFFSET 0) s
            WHERE NOT $4::boolean OR sku_is_for_buyers(s.id, s.is_active)
            ORDER BY sold.units DESC, sold.sku_id LIMIT $2"#,
        days,
        limit,
        time_zone.name(),
        for_buyers,
    )
    .fetch_all(conn)
    .await
}

/// A product and what was sold of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoldProduct {
    pub product_id: i64,
    /// Units sold, less those refunded.
    pub units: i64,
    /// Units sold, whatever came back.
    pub gross_units: i64,
    /// Whether there may have been more: of some day it was not counted what came back.
    pub gross_is_at_least: bool,
}

/// The products that buyers see of which most was sold on the last `days` days, today included, as days go in this time
/// zone; before or after what came back. A SKU counts for the product that it belongs to now.
pub async fn popular_products(
    conn: &mut PgConnection,
    days: i32,
    limit: i64,
    by_gross: bool,
    time_zone: Tz,
) -> sqlx::Result<Vec<SoldProduct>> {
    sqlx::query_as!(
        SoldProduct,
        r#"WITH sold AS (
               SELECT sku_id, sum(units) AS units,
                      sum(CASE WHEN sold_units - refunded_units = units THEN sold_units ELSE greatest(units, 0) END) AS gross,
                      bool_or((sold_units - refunded_units = units) IS NOT TRUE) AS is_at_least
                 FROM sku_sales WHERE day > (now() AT TIME ZONE $4)::date - $1::integer GROUP BY sku_id
           )
           SELECT p.id AS "product_id!", sums.units::bigint AS "units!", sums.gross::bigint AS "gross_units!",
                  sums.is_at_least AS "gross_is_at_least!"
             FROM (SELECT ps.product_id, sum(sold.units) AS units, sum(sold.gross) AS gross,
                          bool_or(sold.is_at_least) AS is_at_least
                     FROM sold CROSS JOIN LATERAL (
                          SELECT product_id FROM product_skus WHERE sku_id = sold.sku_id OFFSET 0) ps
                    GROUP BY ps.product_id) sums
            CROSS JOIN LATERAL (SELECT * FROM products WHERE id = sums.product_id OFFSET 0) p
            WHERE CASE WHEN $3 THEN sums.gross ELSE sums.units END > 0
              AND product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until)
                  IN ('on_sale', 'upcoming')
            ORDER BY CASE WHEN $3 THEN sums.gross ELSE sums.units END DESC, p.id LIMIT $2"#,
        days,
        limit,
        by_gross,
        time_zone.name(),
    )
    .fetch_all(conn)
    .await
}

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

/// The SKUs of which most was sold on the last `days` days, today included, as days go in this time zone.
pub async fn popular(
    conn: &mut PgConnection,
    days: i32,
    limit: i64,
    time_zone: Tz,
) -> sqlx::Result<Vec<Sold>> {
    sqlx::query_as!(
        Sold,
        r#"SELECT s.code AS sku, s.name, sold.units AS "units!"
             FROM (SELECT sku_id, sum(units)::bigint AS units FROM sku_sales
                    WHERE day > (now() AT TIME ZONE $3)::date - $1::integer
                    GROUP BY sku_id HAVING sum(units) > 0
                    ORDER BY sum(units) DESC, sku_id LIMIT $2) sold
             JOIN skus s ON s.id = sold.sku_id
            ORDER BY sold.units DESC, sold.sku_id"#,
        days,
        limit,
        time_zone.name(),
    )
    .fetch_all(conn)
    .await
}

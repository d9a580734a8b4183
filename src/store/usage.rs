//! What customers have already: the locks and sums behind the limits.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::decoded;
use crate::domain::allocation::Usage;
use crate::domain::ids::{CustomerId, SkuId};

/// A hold lasts at most a day; looking a little further back finds every live one through the customer index.
const LIVE_WINDOW_HOURS: i32 = 25;

/// Makes this transaction the only one that decides orders of these customers, so that neither a limit nor an order
/// id can be decided twice at once. Returns the transaction's time.
pub async fn lock_customers(conn: &mut PgConnection, customers: &[String]) -> sqlx::Result<DateTime<Utc>> {
    let row = sqlx::query!(
        r#"SELECT now() AS "now!", count(locked.done) AS locked
             FROM (SELECT pg_advisory_xact_lock(keys.key)::text AS done
                     FROM (SELECT DISTINCT hashtextextended(customer, 0) AS key
                             FROM unnest($1::text[]) AS customer ORDER BY 1) AS keys) AS locked"#,
        customers,
    )
    .fetch_one(conn)
    .await?;
    Ok(row.now)
}

/// Live holds and their units of these customers. Overdue holds no longer count, released or not.
pub async fn live(conn: &mut PgConnection, customers: &[String]) -> sqlx::Result<Usage> {
    let rows = sqlx::query!(
        r#"SELECT o.customer_id, o.id, i.sku_id, i.quantity
             FROM unnest($1::text[]) AS wanted (customer_id)
             -- OFFSET 0 keeps the planner from turning this into a join of everything while it has no statistics.
             CROSS JOIN LATERAL (
                 SELECT customer_id, id FROM orders
                  WHERE customer_id = wanted.customer_id AND created_at > now() - make_interval(hours => $2)
                    AND (status = 'paying' OR (status = 'held' AND expires_at > now()))
                 OFFSET 0) AS o
             JOIN order_items i ON i.order_id = o.id
            ORDER BY o.id"#,
        customers,
        LIVE_WINDOW_HOURS,
    )
    .fetch_all(conn)
    .await?;
    let mut usage = Usage::default();
    let mut last_order = None;
    for row in rows {
        let customer = decoded(CustomerId::parse(row.customer_id))?;
        if last_order.replace(row.id) != Some(row.id) {
            *usage.live_holds.entry(customer.clone()).or_default() += 1;
        }
        *usage.units.entry((customer, SkuId(row.sku_id))).or_default() += row.quantity.unsigned_abs();
    }
    Ok(usage)
}

/// Adds the units these customers have bought of `skus` and not given back: a SKU with a limit of its own limits sales, not only holds.
pub async fn add_bought(
    conn: &mut PgConnection,
    usage: &mut Usage,
    customers: &[String],
    skus: &[SkuId],
) -> sqlx::Result<()> {
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    let rows = sqlx::query!(
        r#"SELECT o.customer_id, i.sku_id, sum(i.quantity - back.units)::int AS "units!"
             FROM orders o JOIN order_items i ON i.order_id = o.id
            CROSS JOIN LATERAL (
                  SELECT coalesce(sum(ri.quantity), 0) AS units
                    FROM refunds r JOIN refund_items ri ON ri.refund_id = r.id
                   WHERE r.order_id = o.id AND ri.sku_id = i.sku_id AND r.status = 'done') AS back
            WHERE o.customer_id = ANY($1) AND i.sku_id = ANY($2) AND o.status IN ('paid', 'partly_refunded')
            GROUP BY o.customer_id, i.sku_id"#,
        customers,
        &skus,
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let customer = decoded(CustomerId::parse(row.customer_id))?;
        *usage.units.entry((customer, SkuId(row.sku_id))).or_default() += row.units.unsigned_abs();
    }
    Ok(())
}

//! What customers have already: what is counted against their limits.

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::allocation::Usage;
use crate::domain::ids::{CustomerId, SkuId};
use crate::store::decoded;

/// Live holds and their units of these customers, orders that wait among them, and the units they bought of the SKUs in `counting_sales` and did not give
/// back. Overdue holds no longer count, released or not. Of each customer at most `max_holds` are read: who has so many gets
/// nothing, whatever they are of.
///
/// One statement, and so one snapshot: an order that is paid meanwhile is either on hold or bought, never both or neither.
pub async fn of(
    conn: &mut PgConnection,
    customers: &[&str],
    counting_sales: &[(&str, SkuId)],
    max_holds: u32,
) -> sqlx::Result<Usage> {
    let (buyers, skus): (Vec<&str>, Vec<i64>) =
        counting_sales.iter().map(|(customer, sku)| (*customer, sku.0)).unzip();
    // LIMIT and OFFSET 0 keep the planner from turning this into a join of everything while it has no statistics, and from
    // any index but the one of live holds, whose very words the condition repeats.
    let rows = sqlx::query!(
        r#"SELECT customer_id AS "customer_id!", order_id, sku_id AS "sku_id!", units AS "units!"
             FROM (SELECT wanted.customer_id, live.id AS order_id, item.sku_id, item.units
                     FROM unnest($1::text[]) AS wanted (customer_id)
                    CROSS JOIN LATERAL (
                          SELECT id FROM orders
                           WHERE customer_id = wanted.customer_id AND status IN ('held', 'paying')
                             AND CASE WHEN status = 'paying' THEN 'infinity'::timestamptz ELSE expires_at END > now()
                           LIMIT $2) AS live
                    CROSS JOIN LATERAL (
                          SELECT sku_id, quantity::bigint AS units FROM order_items WHERE order_id = live.id
                          OFFSET 0) AS item
                    UNION ALL
                   SELECT wanted.customer_id, waiting.order_id, item.sku_id, item.units
                     FROM unnest($1::text[]) AS wanted (customer_id)
                    CROSS JOIN LATERAL (
                          SELECT order_id FROM waiting_orders WHERE customer_id = wanted.customer_id LIMIT $2) AS waiting
                    CROSS JOIN LATERAL (
                          SELECT sku_id, quantity::bigint AS units FROM order_items WHERE order_id = waiting.order_id
                          OFFSET 0) AS item
                    UNION ALL
                   SELECT bought.customer_id, NULL, bought.sku_id, bought.units
                     FROM unnest($3::text[], $4::bigint[]) AS wanted (customer_id, sku_id)
                    CROSS JOIN LATERAL (
                          SELECT customer_id, sku_id, units FROM units_bought
                           WHERE customer_id = wanted.customer_id AND sku_id = wanted.sku_id
                          OFFSET 0) AS bought) AS counted"#,
        customers as &[&str],
        i64::from(max_holds.max(1)),
        &buyers as &[&str],
        &skus,
    )
    .fetch_all(conn)
    .await?;
    let mut usage = Usage::default();
    let mut live: HashSet<Uuid> = HashSet::new();
    for row in rows {
        let customer = decoded(CustomerId::parse(row.customer_id))?;
        if row.order_id.is_some_and(|order| live.insert(order)) {
            *usage.live_holds.entry(customer.clone()).or_default() += 1;
        }
        let units = u32::try_from(row.units.max(0)).unwrap_or(u32::MAX);
        let counted = usage.units.entry((customer, SkuId(row.sku_id))).or_default();
        *counted = counted.saturating_add(units);
    }
    Ok(usage)
}

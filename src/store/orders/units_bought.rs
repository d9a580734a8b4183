//! Units that customers bought and did not give back, per SKU: counted by whoever sells or gives back, in the same transaction
//! and after the stock. Rows are locked in the order of customer and SKU, once in a transaction.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::{CommandId, OrderId};

/// Counts the units of orders that become paid.
pub async fn add(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    // Says that this transaction counts, so that the triggers for workers of the version before do not.
    sqlx::query!(
        "WITH counting AS MATERIALIZED (SELECT set_config('holdfast.counts_units', 'on', true) AS state)
         INSERT INTO units_bought (customer_id, sku_id, units)
         SELECT o.customer_id, i.sku_id, sum(i.quantity)
           FROM counting CROSS JOIN orders o JOIN order_items i ON i.order_id = o.id
          WHERE o.id = ANY($1) AND counting.state = 'on'
          GROUP BY o.customer_id, i.sku_id ORDER BY o.customer_id, i.sku_id
         ON CONFLICT (customer_id, sku_id) DO UPDATE SET units = units_bought.units + excluded.units",
        &orders,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts the units of refunds that are done as given back. What nothing is left of is forgotten.
pub async fn take_back(conn: &mut PgConnection, refunds: &[CommandId]) -> sqlx::Result<()> {
    let refunds: Vec<Uuid> = refunds.iter().map(|refund| refund.0).collect();
    sqlx::query!(
        "WITH counting AS MATERIALIZED (SELECT set_config('holdfast.counts_units', 'on', true) AS state)
         INSERT INTO units_bought (customer_id, sku_id, units)
         SELECT o.customer_id, i.sku_id, -sum(i.quantity)
           FROM counting CROSS JOIN refunds r
           JOIN orders o ON o.id = r.order_id JOIN refund_items i ON i.refund_id = r.id
          WHERE r.id = ANY($1) AND counting.state = 'on'
          GROUP BY o.customer_id, i.sku_id ORDER BY o.customer_id, i.sku_id
         ON CONFLICT (customer_id, sku_id) DO UPDATE SET units = units_bought.units + excluded.units",
        &refunds,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM units_bought b
          USING refunds r JOIN orders o ON o.id = r.order_id JOIN refund_items i ON i.refund_id = r.id
          WHERE r.id = ANY($1) AND b.customer_id = o.customer_id AND b.sku_id = i.sku_id AND b.units = 0",
        &refunds,
    )
    .execute(conn)
    .await?;
    Ok(())
}

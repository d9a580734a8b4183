//! What can still be given back of paid orders.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::parts;
use crate::domain::ids::{CommandId, OrderId, SkuCode, SkuId};
use crate::domain::money::Won;
use crate::domain::payment::Parts;
use crate::domain::refund::OrderLine;
use crate::store::decoded;

/// A paid order as far as it can still be given back.
#[derive(Debug, Clone)]
pub struct Refundable {
    /// The payment that paid it.
    pub payment_id: CommandId,
    /// What of it is left.
    pub left: Parts,
    /// Its items.
    pub lines: Vec<OrderLine>,
}

/// What can still be given back of these paid orders. Lock the orders first. What went back, or is on its way, is counted by
/// triggers (migration 0157) where refunds are written.
pub async fn of_orders(
    conn: &mut PgConnection,
    orders: &[OrderId],
) -> sqlx::Result<HashMap<OrderId, Refundable>> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let payments = sqlx::query!(
        r#"SELECT p.id, p.order_id, p.wallet_won - p.returned_wallet_won AS "wallet_won!",
                  p.points_won - p.returned_points_won AS "points_won!", p.card_won - p.returned_card_won AS "card_won!"
             FROM payments p
            WHERE p.order_id = ANY($1) AND p.status = 'captured'"#,
        &ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut found: HashMap<OrderId, Refundable> = payments
        .into_iter()
        .map(|row| {
            let left = parts(row.wallet_won, row.points_won, row.card_won);
            let of_order = Refundable { payment_id: CommandId(row.id), left, lines: vec![] };
            (row.order_id.into(), of_order)
        })
        .collect();
    let items = sqlx::query!(
        r#"SELECT i.order_id, i.sku_id, i.sku_code, i.amount_won / i.quantity AS "unit_won!",
                  (i.quantity - i.returned_units)::int AS "left!"
             FROM order_items i
            WHERE i.order_id = ANY($1) ORDER BY i.order_id, i.position"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    for row in items {
        let sku = decoded(SkuCode::parse(row.sku_code))?;
        let line = OrderLine { sku_id: SkuId(row.sku_id), sku, left: row.left, unit_won: Won(row.unit_won) };
        found.entry(row.order_id.into()).and_modify(|of_order| of_order.lines.push(line));
    }
    Ok(found)
}

//! Refunds that customers ask for themselves.

use sqlx::PgConnection;

use crate::domain::ids::{CommandId, OrderId};

/// Whether more than so many days have passed since an order was paid, unless it was asked within them for this refund: a paid order
/// is closed with its payment, and stays so when it is refunded.
pub async fn is_return_late(
    conn: &mut PgConnection,
    order: OrderId,
    refund: CommandId,
    days: u16,
) -> sqlx::Result<bool> {
    let is_late = sqlx::query_scalar!(
        r#"SELECT closed_at + make_interval(days => $3::integer) < now()
                  AND NOT EXISTS (SELECT FROM refunds WHERE id = $2) AS "is_late!"
             FROM orders WHERE id = $1 AND CASE WHEN status IN ('paid', 'partly_refunded', 'refunded') THEN true ELSE false END"#,
        order.uuid(),
        refund.0,
        i32::from(days),
    );
    Ok(is_late.fetch_optional(conn).await?.unwrap_or(false))
}

//! Looking for orders, newest first. Every way in has an index, and ends after a page.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::OrderStatus;
use crate::domain::ids::{CustomerId, OrderId, SkuId};

/// What the orders of a page have in common.
#[derive(Debug, Clone, Default)]
pub struct OrderCriteria {
    /// Only of these states.
    pub statuses: Vec<OrderStatus>,
    /// Only of this customer.
    pub customer: Option<CustomerId>,
    /// Only with units of this SKU.
    pub sku: Option<SkuId>,
    /// Only decided from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Only decided before this instant.
    pub until: Option<DateTime<Utc>>,
    /// Only those older than this order: the next page.
    pub after: Option<OrderId>,
    /// At most so many.
    pub limit: i64,
}

/// The ids from the lowest to the highest one that begin alike, oldest ids first, at most `limit`.
pub async fn between(
    conn: &mut PgConnection,
    lowest: Uuid,
    highest: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<OrderId>> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM orders WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3",
        lowest,
        highest,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(OrderId::from).collect())
}

/// The orders that a payment is for, whatever it is called by: the gateway's key, our id of it or of its refund, or what the
/// gateway knows as the order.
pub async fn paid_by(conn: &mut PgConnection, name: &str) -> sqlx::Result<Vec<OrderId>> {
    let id = Uuid::try_parse(name).ok();
    let ids = sqlx::query_scalar!(
        r#"SELECT order_id AS "order_id!" FROM payments WHERE payment_key = $1
           UNION SELECT order_id FROM payments WHERE id = $2
           UNION SELECT order_id FROM refunds WHERE id = $2
           UNION SELECT id FROM orders WHERE id = $2
           UNION SELECT p.order_id FROM webhooks w JOIN payments p ON p.id = w.payment_id
                  WHERE w.gateway_order_id = $1
           LIMIT 1000"#,
        name,
        id,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(OrderId::from).collect())
}

/// The order that has `depth` wanted ones of whomever before it, whatever their SKUs: how far a search for a SKU looks at
/// once. Run it in a transaction.
pub async fn at_depth(
    conn: &mut PgConnection,
    wanted: &OrderCriteria,
    depth: i64,
) -> sqlx::Result<Option<(DateTime<Utc>, OrderId)>> {
    prefer_order(conn, true).await?;
    let row = sqlx::query!(
        r#"SELECT newest.id AS "id!", newest.created_at AS "created_at!"
             FROM unnest($1::order_status[]) AS wanted (status)
            CROSS JOIN LATERAL (
                SELECT o.id, o.created_at FROM orders o
                 WHERE o.status = wanted.status
                   AND o.created_at >= coalesce($2, '-infinity'::timestamptz)
                   AND o.created_at < coalesce($3, 'infinity'::timestamptz)
                   AND o.created_at <= coalesce((SELECT a.created_at FROM orders a WHERE a.id = $4), 'infinity')
                   AND ($4::uuid IS NULL OR (o.created_at, o.id) < (SELECT a.created_at, a.id FROM orders a WHERE a.id = $4))
                 ORDER BY o.created_at DESC, o.id DESC LIMIT $5::bigint + 1) AS newest
            ORDER BY newest.created_at DESC, newest.id DESC OFFSET $5 LIMIT 1"#,
        &wanted.statuses as &[OrderStatus],
        wanted.from,
        wanted.until,
        wanted.after.map(OrderId::uuid),
        depth,
    )
    .fetch_optional(&mut *conn)
    .await?;
    prefer_order(conn, false).await?;
    Ok(row.map(|row| (row.created_at, row.id.into())))
}

/// The order that has `depth` others of its customer before it, wanted or not: how far a search among one customer's orders
/// looks at once, however many they ever placed.
pub async fn customer_at_depth(
    conn: &mut PgConnection,
    customer: &CustomerId,
    wanted: &OrderCriteria,
    depth: i64,
) -> sqlx::Result<Option<(DateTime<Utc>, OrderId)>> {
    let row = sqlx::query!(
        "SELECT o.id, o.created_at FROM orders o
          WHERE o.customer_id = $1
            AND o.created_at >= coalesce($2, '-infinity'::timestamptz)
            AND o.created_at < coalesce($3, 'infinity'::timestamptz)
            AND ($4::uuid IS NULL OR (o.created_at, o.id) <
                 (SELECT a.created_at, a.id FROM orders a WHERE a.id = $4 AND a.customer_id = $1))
          ORDER BY o.created_at DESC, o.id DESC OFFSET $5 LIMIT 1",
        customer.as_str(),
        wanted.from,
        wanted.until,
        wanted.after.map(OrderId::uuid),
        depth,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.created_at, row.id.into())))
}

/// Those of these orders that are wanted.
pub async fn among(
    conn: &mut PgConnection,
    orders: &[OrderId],
    wanted: &OrderCriteria,
) -> sqlx::Result<Vec<OrderId>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let ids = sqlx::query_scalar!(
        "SELECT o.id FROM orders o
          WHERE o.id = ANY($1) AND o.status = ANY($2) AND ($3::text IS NULL OR o.customer_id = $3)
            AND ($4::timestamptz IS NULL OR o.created_at >= $4) AND ($5::timestamptz IS NULL OR o.created_at < $5)
            AND ($6::uuid IS NULL OR (o.created_at, o.id) < (SELECT a.created_at, a.id FROM orders a WHERE a.id = $6))
            AND ($7::bigint IS NULL OR EXISTS (SELECT FROM order_items i WHERE i.order_id = o.id AND i.sku_id = $7))
          ORDER BY o.created_at DESC, o.id DESC LIMIT $8",
        &orders,
        &wanted.statuses as &[OrderStatus],
        wanted.customer.as_ref().map(CustomerId::as_str),
        wanted.from,
        wanted.until,
        wanted.after.map(OrderId::uuid),
        wanted.sku.map(|sku| sku.0),
        wanted.limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(OrderId::from).collect())
}

/// The wanted orders of one customer, among the `looked_through` that come first.
pub async fn of_customer(
    conn: &mut PgConnection,
    customer: &CustomerId,
    wanted: &OrderCriteria,
    looked_through: i64,
) -> sqlx::Result<Vec<OrderId>> {
    let ids = sqlx::query_scalar!(
        "SELECT o.id FROM (
                SELECT id, status, created_at FROM orders
                 WHERE customer_id = $1
                   AND created_at >= coalesce($3, '-infinity'::timestamptz)
                   AND created_at < coalesce($4, 'infinity'::timestamptz)
                   AND ($5::uuid IS NULL OR (created_at, id) < (SELECT a.created_at, a.id FROM orders a WHERE a.id = $5))
                 ORDER BY created_at DESC, id DESC LIMIT $8) AS o
          WHERE o.status = ANY($2)
            AND ($6::bigint IS NULL OR EXISTS (SELECT FROM order_items i WHERE i.order_id = o.id AND i.sku_id = $6))
          ORDER BY o.created_at DESC, o.id DESC LIMIT $7",
        customer.as_str(),
        &wanted.statuses as &[OrderStatus],
        wanted.from,
        wanted.until,
        wanted.after.map(OrderId::uuid),
        wanted.sku.map(|sku| sku.0),
        wanted.limit,
        looked_through,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(OrderId::from).collect())
}

/// Walking the index of a state is preferred to reading all of it and sorting that, whatever the statistics are, until the
/// statement is done: others have to sort. In force within a transaction.
async fn prefer_order(conn: &mut PgConnection, is_preferred: bool) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('enable_sort', $1, true), set_config('enable_bitmapscan', $1, true)")
        .bind(if is_preferred { "off" } else { "on" })
        .execute(conn)
        .await?;
    Ok(())
}

/// The wanted orders of whomever: the newest of each state, merged. Run it in a transaction.
pub async fn of_everyone(conn: &mut PgConnection, wanted: &OrderCriteria) -> sqlx::Result<Vec<OrderId>> {
    prefer_order(conn, true).await?;
    let ids = sqlx::query_scalar!(
        r#"SELECT newest.id AS "id!" FROM unnest($1::order_status[]) AS wanted (status)
            CROSS JOIN LATERAL (
                SELECT o.id, o.created_at FROM orders o
                 WHERE o.status = wanted.status
                   AND o.created_at >= coalesce($2, '-infinity'::timestamptz)
                   AND o.created_at < coalesce($3, 'infinity'::timestamptz)
                   AND o.created_at <= coalesce((SELECT a.created_at FROM orders a WHERE a.id = $4), 'infinity')
                   AND ($4::uuid IS NULL OR (o.created_at, o.id) < (SELECT a.created_at, a.id FROM orders a WHERE a.id = $4))
                   AND ($5::bigint IS NULL
                        OR EXISTS (SELECT FROM order_items i WHERE i.order_id = o.id AND i.sku_id = $5))
                 ORDER BY o.created_at DESC, o.id DESC LIMIT $6) AS newest
            ORDER BY newest.created_at DESC, newest.id DESC LIMIT $6"#,
        &wanted.statuses as &[OrderStatus],
        wanted.from,
        wanted.until,
        wanted.after.map(OrderId::uuid),
        wanted.sku.map(|sku| sku.0),
        wanted.limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    prefer_order(conn, false).await?;
    Ok(ids.into_iter().map(OrderId::from).collect())
}

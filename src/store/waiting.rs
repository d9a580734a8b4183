//! Orders that wait for units: who joins a line, who leaves it, and where somebody stands. Who is served is in `serve`.
//!
//! An order that wants all of its items stands in one line, of a SKU of which there are too few for it; so whoever stands in the
//! line of a SKU cannot be served before that SKU's units change. `stock.least_waiting` is the smallest number that somebody in
//! the line wants, or less: while fewer are free, nobody has to look at the line.

mod serve;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::{CustomerId, OrderId, SkuId};
use crate::domain::items::HoldSeconds;
use crate::domain::waiting::WaitFor;
pub use serve::{AT_ONCE, Served, serve};

/// An order that comes to wait.
#[derive(Debug)]
pub struct NewWait {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    /// For how long it is held once it is its turn.
    pub hold_seconds: HoldSeconds,
    pub wait_for: WaitFor,
    /// Its turn comes before this instant or not at all.
    pub wait_until: DateTime<Utc>,
    /// In which lines it stands, and for how many units.
    pub lines: Vec<(SkuId, i32)>,
}

/// Lets new orders join their lines, in this order.
pub async fn join(conn: &mut PgConnection, waits: &[NewWait]) -> sqlx::Result<()> {
    if waits.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = waits.iter().map(|wait| wait.order_id.uuid()).collect();
    let customers: Vec<&str> = waits.iter().map(|wait| wait.customer_id.as_str()).collect();
    let hold_seconds: Vec<i32> = waits.iter().map(|wait| wait.hold_seconds.seconds()).collect();
    let takes_any: Vec<bool> = waits.iter().map(|wait| wait.wait_for == WaitFor::Any).collect();
    let until: Vec<DateTime<Utc>> = waits.iter().map(|wait| wait.wait_until).collect();
    let lines =
        || waits.iter().flat_map(|wait| wait.lines.iter().map(|(sku, units)| (wait.order_id, sku.0, *units)));
    let line_orders: Vec<Uuid> = lines().map(|(order, ..)| order.uuid()).collect();
    let line_skus: Vec<i64> = lines().map(|(_, sku, _)| sku).collect();
    let line_units: Vec<i32> = lines().map(|(.., units)| units).collect();
    sqlx::query!(
        "WITH joined AS (
             INSERT INTO waiting_orders (order_id, customer_id, hold_seconds, takes_any, wait_until)
             SELECT order_id, customer_id, hold_seconds, takes_any, wait_until
               FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bool[], $5::timestamptz[]) WITH ORDINALITY
                    AS new (order_id, customer_id, hold_seconds, takes_any, wait_until, arrival)
              ORDER BY arrival
             RETURNING order_id, place
         )
         INSERT INTO waiting_lines (sku_id, quantity, place, order_id)
         SELECT line.sku_id, line.quantity, joined.place, joined.order_id
           FROM unnest($6::uuid[], $7::bigint[], $8::int[]) AS line (order_id, sku_id, quantity)
           JOIN joined USING (order_id)",
        &orders,
        &customers as &[&str],
        &hold_seconds,
        &takes_any,
        &until,
        &line_orders,
        &line_skus,
        &line_units,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets locked orders leave their lines, be they served, called off or tired of it. `least_waiting` is left as it is: lower than
/// it need be, until somebody looks at the line.
pub async fn leave(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    sqlx::query!("DELETE FROM waiting_orders WHERE order_id = ANY($1)", &orders).execute(conn).await?;
    Ok(())
}

/// Some of the orders whose wait is over, for [`serve::end`].
pub async fn ended(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<OrderId>> {
    let orders = sqlx::query_scalar!(
        "SELECT order_id FROM waiting_orders WHERE wait_until <= now() ORDER BY wait_until LIMIT $1",
        limit,
    );
    Ok(orders.fetch_all(conn).await?.into_iter().map(Into::into).collect())
}

/// Ends the waits of those of these orders whose time is up. Returns how many.
pub async fn end(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<usize> {
    serve::end(conn, orders).await
}

/// SKUs that have a line, looked through after one of them.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Those of which somebody may have some now.
    pub to_serve: Vec<SkuId>,
    /// The last one looked at, if there may be more.
    pub last: Option<SkuId>,
}

/// Looks through the SKUs with a line after this one, `limit` of them, for those that are on sale and have units for somebody.
pub async fn lines_after(conn: &mut PgConnection, after: Option<SkuId>, limit: i64) -> sqlx::Result<Lines> {
    let rows = sqlx::query!(
        r#"SELECT st.sku_id, (st.least_waiting <= st.on_hand - st.reserved AND s.is_active
                  AND coalesce(s.sale_from <= now(), true) AND coalesce(now() < s.sale_until, true)) AS "is_served!"
             FROM (SELECT * FROM stock WHERE least_waiting IS NOT NULL AND sku_id > $1 ORDER BY sku_id LIMIT $2) st
            CROSS JOIN LATERAL (SELECT is_active, sale_from, sale_until FROM skus WHERE id = st.sku_id OFFSET 0) s
            ORDER BY st.sku_id"#,
        after.map_or(i64::MIN, |sku| sku.0),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|found| found >= limit);
    Ok(Lines {
        last: rows.last().filter(|_| is_full).map(|row| SkuId(row.sku_id)),
        to_serve: rows.into_iter().filter(|row| row.is_served).map(|row| SkuId(row.sku_id)).collect(),
    })
}

/// Where an order stands in a line.
#[derive(Debug, Clone)]
pub struct PlaceInLine {
    /// The SKU that it waits for.
    pub sku: String,
    /// How many units of it.
    pub quantity: i32,
    /// Orders that came before it, as far as they are counted.
    pub before: i64,
    /// Its turn comes before this instant or not at all.
    pub wait_until: DateTime<Utc>,
}

/// Orders that are counted before somebody in line.
pub const COUNTED: i64 = 10_000;

/// The places of an order, one for each line that it stands in.
pub async fn places(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Vec<PlaceInLine>> {
    sqlx::query_as!(
        PlaceInLine,
        r#"SELECT s.code AS sku, own.quantity, w.wait_until,
                  (SELECT count(*) FROM (SELECT FROM waiting_lines l
                                          WHERE l.sku_id = own.sku_id AND l.place < own.place
                                          ORDER BY l.place LIMIT $2) l) AS "before!"
             FROM waiting_orders w
            CROSS JOIN LATERAL (SELECT * FROM waiting_lines WHERE order_id = w.order_id OFFSET 0) own
            CROSS JOIN LATERAL (SELECT code FROM skus WHERE id = own.sku_id OFFSET 0) s
            WHERE w.order_id = $1 ORDER BY s.code"#,
        order.uuid(),
        COUNTED,
    )
    .fetch_all(conn)
    .await
}

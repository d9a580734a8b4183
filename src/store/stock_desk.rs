//! Stock as operators see and correct it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::orders::OrderStatus;
use super::skus::SkuRow;
use crate::domain::ids::{SkuCode, SkuId};
use crate::domain::money::{DiscountRatio, Won};

/// SKUs in the order of their codes, from after a code on, whose code begins with a text or whose name contains it.
pub async fn list(
    conn: &mut PgConnection,
    text: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<SkuRow>> {
    let rows = sqlx::query!(
        r#"SELECT s.code, s.name, s.price_won, s.discount_ratio_bp, s.max_per_customer, st.on_hand, st.reserved,
                  (SELECT coalesce(sum(i.quantity), 0)::int FROM orders o JOIN order_items i ON i.order_id = o.id
                    WHERE st.reserved > 0 AND o.status = 'held' AND o.expires_at <= now() AND i.sku_id = s.id)
                    AS "overdue!"
             FROM (SELECT * FROM skus
                    WHERE ($1::text IS NULL OR starts_with(lower(code), lower($1)) OR strpos(lower(name), lower($1)) > 0)
                      AND code > coalesce($2, '')
                    ORDER BY code LIMIT $3) s
             JOIN stock st ON st.sku_id = s.id ORDER BY s.code"#,
        text,
        after,
        limit,
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
    });
    Ok(row.collect())
}

/// A hold that keeps units of a SKU.
#[derive(Debug, Clone)]
pub struct LiveHold {
    /// The order.
    pub order_id: Uuid,
    /// Whose it is.
    pub customer_id: String,
    /// Units it keeps.
    pub units: i32,
    /// `held`, or `paying` while money is asked for.
    pub status: OrderStatus,
    /// From this instant on it cannot be paid.
    pub expires_at: DateTime<Utc>,
    /// Seconds until then, negative once it is overdue.
    pub seconds_left: i64,
}

/// The live holds of a SKU, those that fall due first first.
pub async fn live_holds(conn: &mut PgConnection, sku: SkuId, limit: i64) -> sqlx::Result<Vec<LiveHold>> {
    sqlx::query_as!(
        LiveHold,
        r#"SELECT live.id AS "order_id!", live.customer_id AS "customer_id!", live.quantity AS "units!",
                  live.status AS "status!: OrderStatus", live.expires_at AS "expires_at!",
                  floor(extract(epoch FROM live.expires_at - now()))::bigint AS "seconds_left!"
             FROM (
                  (SELECT o.id, o.customer_id, i.quantity, o.status, o.expires_at
                     FROM orders o JOIN order_items i ON i.order_id = o.id AND i.sku_id = $1
                    WHERE o.status = 'held' ORDER BY o.expires_at LIMIT $2)
                  UNION ALL
                  (SELECT o.id, o.customer_id, i.quantity, o.status, o.expires_at
                     FROM orders o JOIN order_items i ON i.order_id = o.id AND i.sku_id = $1
                    WHERE o.status = 'paying' ORDER BY o.created_at LIMIT $2)) AS live
            ORDER BY live.expires_at, live.id LIMIT $2"#,
        sku.0,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Sold less refunded, on the last days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = StockSales)]
pub struct Sales {
    /// Units of today.
    pub today: i64,
    /// Units of the last 7 days, today included.
    pub last_7_days: i64,
    /// Units of the last 30 days, today included.
    pub last_30_days: i64,
}

/// What was sold of a SKU, as days go in this time zone.
pub async fn sales(conn: &mut PgConnection, sku: SkuId, time_zone: &str) -> sqlx::Result<Sales> {
    sqlx::query_as!(
        Sales,
        r#"SELECT coalesce(sum(s.units) FILTER (WHERE ago.days < 1), 0)::bigint AS "today!",
                  coalesce(sum(s.units) FILTER (WHERE ago.days < 7), 0)::bigint AS "last_7_days!",
                  coalesce(sum(s.units), 0)::bigint AS "last_30_days!"
             FROM generate_series(0, 29) AS ago (days)
             JOIN sku_sales s ON s.day = (now() AT TIME ZONE $2)::date - ago.days AND s.sku_id = $1"#,
        sku.0,
        time_zone,
    )
    .fetch_one(conn)
    .await
}

/// Units that came or went.
#[derive(Debug, Clone)]
pub struct Movement {
    /// Its number; later movements have higher ones.
    pub id: i64,
    /// received, sold, returned or adjusted.
    pub kind: String,
    /// How many, negative for those that went, 0 if a count found what was expected.
    pub units: i32,
    /// The order that bought them or brought them back.
    pub order_id: Option<Uuid>,
    /// Who received or counted them.
    pub actor: Option<String>,
    /// Why.
    pub note: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The movements of a SKU before one of them, the latest first.
pub async fn movements(
    conn: &mut PgConnection,
    sku: SkuId,
    before: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<Movement>> {
    sqlx::query_as!(
        Movement,
        r#"SELECT id, reason::text AS "kind!", on_hand_change AS units, order_id, actor, note, created_at
             FROM stock_movements WHERE sku_id = $1 AND id < coalesce($2, 9223372036854775807)
            ORDER BY id DESC LIMIT $3"#,
        sku.0,
        before,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// The counters of a SKU, locked until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// The SKU's row.
    pub sku_id: SkuId,
    /// Units owned.
    pub on_hand: i32,
    /// Units set aside.
    pub reserved: i32,
}

/// Locks a SKU.
pub async fn lock(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<Counters>> {
    let row = sqlx::query!(
        "SELECT st.sku_id, st.on_hand, st.reserved FROM stock st JOIN skus s ON s.id = st.sku_id
          WHERE s.code = $1 FOR NO KEY UPDATE OF st",
        code.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    let counters = |sku_id, on_hand, reserved| Counters { sku_id: SkuId(sku_id), on_hand, reserved };
    Ok(row.map(|row| counters(row.sku_id, row.on_hand, row.reserved)))
}

/// What a command of a person has moved, if it has been carried out before.
pub async fn moved_by(conn: &mut PgConnection, command: Uuid) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!("SELECT on_hand_change FROM stock_movements WHERE command_id = $1", command)
        .fetch_optional(conn)
        .await
}

/// Units that a person moves.
#[derive(Debug, Clone, Copy)]
pub struct NewMovement<'a> {
    /// Which SKU; locked.
    pub sku_id: SkuId,
    /// Whether they were received rather than counted.
    pub is_received: bool,
    /// How many come, negative for those that go; none if a count found what was expected.
    pub units: i32,
    /// Who did it.
    pub actor: &'a str,
    /// Why.
    pub note: &'a str,
    /// The command, which moves units once.
    pub command: Uuid,
}

/// Moves units of a locked SKU and writes that down.
pub async fn put_down(conn: &mut PgConnection, movement: NewMovement<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH moved AS (UPDATE stock SET on_hand = on_hand + $2 WHERE sku_id = $1)
         INSERT INTO stock_movements (sku_id, on_hand_change, reason, actor, note, command_id)
         VALUES ($1, $2, CASE WHEN $3 THEN 'received' ELSE 'adjusted' END::stock_movement_reason, $4, $5, $6)",
        movement.sku_id.0,
        movement.units,
        movement.is_received,
        movement.actor,
        movement.note,
        movement.command,
    )
    .execute(conn)
    .await?;
    Ok(())
}

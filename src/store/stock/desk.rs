//! Stock as operators see and correct it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::SkuId;
use crate::store::orders::OrderStatus;

/// A hold that keeps units of a SKU.
#[derive(Debug, Clone)]
pub struct LiveHold {
    pub order_id: Uuid,
    pub customer_id: String,
    pub units: i32,
    /// `held`, or `paying` while money is asked for.
    pub status: OrderStatus,
    /// From this instant on it cannot be paid.
    pub expires_at: DateTime<Utc>,
    /// Seconds until then, negative once it is overdue.
    pub seconds_left: i64,
}

/// Live holds of the whole shop that are looked through for those of a SKU: as many that are held, those that fall due
/// first, and as many that are being paid.
pub const HOLDS_LOOKED_THROUGH: i64 = 5_000;

/// Some live holds of a SKU.
#[derive(Debug, Clone, Default)]
pub struct LiveHolds {
    /// Those that fall due first first.
    pub holds: Vec<LiveHold>,
    /// Whether the shop has more live holds than were looked through.
    pub has_more: bool,
}

/// The live holds of a SKU among those of the shop that fall due first, at most `limit`.
pub async fn live_holds(conn: &mut PgConnection, sku: SkuId, limit: i64) -> sqlx::Result<LiveHolds> {
    let live = sqlx::query!(
        r#"SELECT ARRAY(SELECT id FROM orders WHERE status = 'held' AND expires_at >= holds_ended_before()
                         ORDER BY expires_at LIMIT $1) AS "held!",
                  ARRAY(SELECT id FROM orders WHERE status = 'paying' ORDER BY created_at LIMIT $1) AS "paying!""#,
        HOLDS_LOOKED_THROUGH,
    )
    .fetch_one(&mut *conn)
    .await?;
    let is_full = |orders: &Vec<Uuid>| orders.len() as i64 >= HOLDS_LOOKED_THROUGH;
    let has_more = is_full(&live.held) || is_full(&live.paying);
    let holds = sqlx::query_as!(
        LiveHold,
        r#"SELECT o.id AS "order_id!", o.customer_id, i.quantity AS units, o.status AS "status: OrderStatus",
                  o.expires_at AS "expires_at!",
                  floor(extract(epoch FROM o.expires_at - now()))::bigint AS "seconds_left!"
             FROM orders o JOIN LATERAL (
                  SELECT quantity FROM order_items WHERE order_id = o.id AND sku_id = $2 OFFSET 0) i ON true
            WHERE o.id = ANY($1) AND o.status IN ('held', 'paying')
            ORDER BY o.expires_at, o.id LIMIT $3"#,
        &[live.held, live.paying].concat(),
        sku.0,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(LiveHolds { holds, has_more })
}

/// Sold less refunded, on the last days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
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
    pub note: Option<String>,
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

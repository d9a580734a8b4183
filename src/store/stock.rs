//! Stock: the counters under lock, and the movements behind them. SKUs are always locked in the order of their ids.

pub mod available;
pub mod desk;
pub mod for_buyers;
pub mod sales;
pub mod skus;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::decoded;
use crate::domain::ids::{OrderId, SkuCode, SkuId};
use crate::domain::money::{DiscountRatio, Won};
use crate::domain::shelf::{Shelf, ShelfSku};
use crate::domain::sku::Sale;

/// What PostgreSQL says of a statement that took too long.
const QUERY_CANCELED: &str = "57014";

/// What happens to the counters of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockChange {
    pub sku_id: SkuId,
    /// Units that come or go.
    pub on_hand: i32,
    /// Units set aside or given back.
    pub reserved: i32,
}

/// The SKUs of these codes as they stand now, not locked. Unknown codes are missing from the answer.
pub async fn shelf(conn: &mut PgConnection, codes: &[String]) -> sqlx::Result<Shelf> {
    let rows = sqlx::query!(
        "SELECT s.id, s.code, s.name, s.price_won, s.discount_ratio_bp, s.max_per_customer,
                s.is_active, s.sale_from, s.sale_until, st.on_hand, st.reserved, st.least_waiting
           FROM skus s JOIN stock st ON st.sku_id = s.id
          WHERE s.code = ANY($1)",
        codes,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let code = decoded(SkuCode::parse(row.code))?;
            let sku = ShelfSku {
                id: SkuId(row.id),
                name: row.name,
                price: Won(row.price_won),
                discount: DiscountRatio::from_basis_points(row.discount_ratio_bp),
                max_per_customer: row.max_per_customer.map(i32::unsigned_abs),
                sale: Sale { is_active: row.is_active, from: row.sale_from, until: row.sale_until },
                available: row.on_hand - row.reserved,
                least_waiting: row.least_waiting,
            };
            Ok((code, sku))
        })
        .collect()
}

/// Sets units aside if there are enough of every SKU, of which nobody in line could have any, and lets others wait in lines.
/// Returns whether all of that could be; if not, the transaction has to be rolled back. Several entries of one SKU are summed.
pub async fn take(
    conn: &mut PgConnection,
    units: &[(SkuId, i32)],
    lines: &[NewInLine],
) -> sqlx::Result<bool> {
    if units.is_empty() && lines.is_empty() {
        return Ok(true);
    }
    let mut sums: BTreeMap<i64, i32> = BTreeMap::new();
    for (sku, units) in units {
        *sums.entry(sku.0).or_default() += units;
    }
    let mut skus: Vec<i64> = sums.keys().copied().chain(lines.iter().map(|line| line.sku_id.0)).collect();
    skus.sort_unstable();
    skus.dedup();
    lock(&mut *conn, &skus).await?;
    Ok(set_aside(&mut *conn, sums).await? && lengthen(conn, lines).await?)
}

/// Sets units of locked SKUs aside. Returns whether there were enough.
async fn set_aside(conn: &mut PgConnection, units: BTreeMap<i64, i32>) -> sqlx::Result<bool> {
    if units.is_empty() {
        return Ok(true);
    }
    let (skus, units): (Vec<i64>, Vec<i32>) = units.into_iter().unzip();
    let taken = sqlx::query!(
        "UPDATE stock SET reserved = stock.reserved + wanted.units
           FROM unnest($1::bigint[], $2::int[]) AS wanted (sku_id, units)
          WHERE stock.sku_id = wanted.sku_id AND stock.reserved + wanted.units <= stock.on_hand
            AND NOT coalesce(stock.least_waiting <= stock.on_hand - stock.reserved, false)",
        &skus,
        &units,
    )
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == skus.len() as u64)
}

/// Somebody who comes to wait in the line of a SKU.
#[derive(Debug, Clone, Copy)]
pub struct NewInLine {
    pub sku_id: SkuId,
    /// How many units they want.
    pub units: i32,
    /// Whether they wait because there are fewer, and not because it is not sold yet.
    pub is_short: bool,
}

/// Writes down that somebody waits for units of locked SKUs. Returns whether those who wait because there are too few are
/// right, now that nobody else can change it.
async fn lengthen(conn: &mut PgConnection, lines: &[NewInLine]) -> sqlx::Result<bool> {
    if lines.is_empty() {
        return Ok(true);
    }
    let mut least: BTreeMap<i64, (i32, i32)> = BTreeMap::new();
    for line in lines {
        let (units, short) = least.entry(line.sku_id.0).or_insert((i32::MAX, i32::MAX));
        *units = line.units.min(*units);
        if line.is_short {
            *short = line.units.min(*short);
        }
    }
    let skus: Vec<i64> = least.keys().copied().collect();
    let (units, short): (Vec<i32>, Vec<i32>) = least.into_values().unzip();
    let waiting = sqlx::query!(
        "UPDATE stock SET least_waiting = least(stock.least_waiting, new.units)
           FROM unnest($1::bigint[], $2::int[], $3::int[]) AS new (sku_id, units, short)
          WHERE stock.sku_id = new.sku_id AND stock.on_hand - stock.reserved < new.short",
        &skus,
        &units,
        &short,
    )
    .execute(conn)
    .await?;
    Ok(waiting.rows_affected() == skus.len() as u64)
}

/// Changes the counters of several SKUs at once. Several changes of one SKU are summed. Returns those SKUs of which somebody in
/// line may have some now: see [`super::waiting::serve`].
pub async fn change(conn: &mut PgConnection, changes: &[StockChange]) -> sqlx::Result<Vec<SkuId>> {
    if changes.is_empty() {
        return Ok(vec![]);
    }
    let mut sums: BTreeMap<i64, (i32, i32)> = BTreeMap::new();
    for change in changes {
        let (on_hand, reserved) = sums.entry(change.sku_id.0).or_default();
        *on_hand += change.on_hand;
        *reserved += change.reserved;
    }
    let skus: Vec<i64> = sums.keys().copied().collect();
    let (on_hand, reserved): (Vec<i32>, Vec<i32>) = sums.into_values().unzip();
    lock(&mut *conn, &skus).await?;
    let lines = sqlx::query_scalar!(
        "WITH changed AS (
             UPDATE stock SET on_hand = stock.on_hand + new.on_hand, reserved = stock.reserved + new.reserved
               FROM unnest($1::bigint[], $2::int[], $3::int[]) AS new (sku_id, on_hand, reserved)
              WHERE stock.sku_id = new.sku_id
             RETURNING stock.sku_id, stock.least_waiting, stock.on_hand - stock.reserved AS available
         )
         SELECT sku_id FROM changed WHERE least_waiting <= available",
        &skus,
        &on_hand,
        &reserved,
    )
    .fetch_all(conn)
    .await?;
    Ok(lines.into_iter().map(SkuId).collect())
}

/// Locks the SKUs of these codes until the transaction ends.
pub async fn lock_codes(conn: &mut PgConnection, codes: &[String]) -> sqlx::Result<()> {
    sqlx::query!(
        "SELECT FROM stock st JOIN skus s ON s.id = st.sku_id WHERE s.code = ANY($1)
          ORDER BY st.sku_id FOR NO KEY UPDATE OF st",
        codes,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks SKUs until the transaction ends, always in the order of their ids. The lock leaves the key alone, as whoever
/// only refers to a SKU need not wait.
async fn lock(conn: &mut PgConnection, skus: &[i64]) -> sqlx::Result<()> {
    sqlx::query!("SELECT FROM stock WHERE sku_id = ANY($1) ORDER BY sku_id FOR NO KEY UPDATE", skus)
        .execute(conn)
        .await?;
    Ok(())
}

/// Units of these SKUs that nobody holds, locked until the transaction ends. Name each SKU once.
pub async fn lock_available(conn: &mut PgConnection, skus: &[SkuId]) -> sqlx::Result<HashMap<SkuId, i32>> {
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    let rows = sqlx::query!(
        r#"SELECT sku_id, on_hand - reserved AS "available!" FROM stock
            WHERE sku_id = ANY($1) ORDER BY sku_id FOR NO KEY UPDATE"#,
        &skus,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (SkuId(row.sku_id), row.available)).collect())
}

/// The units these orders hold, summed per SKU.
pub async fn units_of(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<(SkuId, i32)>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT sku_id, sum(quantity)::int AS "units!" FROM order_items
            WHERE order_id = ANY($1) GROUP BY sku_id ORDER BY sku_id"#,
        &orders,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (SkuId(row.sku_id), row.units)).collect())
}

/// Writes down that the units of these orders were sold.
pub async fn record_sales(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<()> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    sqlx::query!(
        "INSERT INTO stock_movements (sku_id, order_id, on_hand_change, reason)
         SELECT sku_id, order_id, -quantity, 'sold' FROM order_items WHERE order_id = ANY($1)",
        &orders,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Some overdue holds, and those of them that keep units of certain SKUs from a buyer.
#[derive(Debug, Clone)]
pub struct OverdueHolds {
    /// Those in the way, oldest first.
    pub in_the_way: Vec<OrderId>,
    /// The deadline of the oldest one looked at.
    pub first: Option<DateTime<Utc>>,
    /// The deadline of the last one looked at, if there may be more behind it.
    pub last: Option<DateTime<Utc>>,
}

/// Looks for overdue holds that keep units of these SKUs from a buyer, among the oldest `limit` from a deadline on. None if that
/// took longer than a second: a snapshot that somebody keeps may keep any number of dead entries in the index.
pub async fn overdue_holds(
    conn: &mut PgConnection,
    skus: &[SkuId],
    from: Option<DateTime<Utc>>,
    limit: i64,
) -> sqlx::Result<Option<OverdueHolds>> {
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    // The limit of time is for this look alone, and what has failed by it is undone.
    let mut look = conn.begin().await?;
    // Without statistics the planner takes overdue holds for few, and would rather fetch and sort all of them.
    sqlx::query(
        "SELECT set_config('statement_timeout', '1s', true), set_config('enable_sort', 'off', true),
                set_config('enable_bitmapscan', 'off', true)",
    )
    .execute(&mut *look)
    .await?;
    let rows = sqlx::query!(
        r#"SELECT overdue.id, overdue.expires_at AS "expires_at!",
                  EXISTS (SELECT FROM (SELECT sku_id FROM order_items WHERE order_id = overdue.id OFFSET 0) AS item
                           WHERE item.sku_id = ANY($1)) AS "is_in_the_way!"
             FROM (SELECT id, expires_at FROM orders
                    WHERE status = 'held' AND expires_at <= now() AND expires_at >= coalesce($2::timestamptz, holds_ended_before())
                    ORDER BY expires_at LIMIT $3) AS overdue
            ORDER BY overdue.expires_at"#,
        &skus,
        from,
        limit,
    )
    .fetch_all(&mut *look)
    .await;
    look.rollback().await?;
    let rows = match rows {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(QUERY_CANCELED) => {
            return Ok(None);
        }
        rows => rows?,
    };
    let is_full = i64::try_from(rows.len()).is_ok_and(|found| found >= limit);
    Ok(Some(OverdueHolds {
        first: rows.first().map(|row| row.expires_at),
        last: rows.last().filter(|_| is_full).map(|row| row.expires_at),
        in_the_way: rows.iter().filter(|row| row.is_in_the_way).map(|row| row.id.into()).collect(),
    }))
}

//! Orders and their items. Every transition is a compare-and-swap on `status`: the row count decides.

pub mod history;
pub mod new;
pub mod overdue_holds;
pub mod search;
mod status;
pub mod units_bought;
pub mod usage;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::decoded;
use crate::domain::allocation::HeldItem;
use crate::domain::ids::{CustomerId, Fingerprint, OrderId, SkuId};
use crate::domain::money::{DiscountRatio, Won};
pub use crate::domain::order::OrderStatus;
use crate::domain::order::{EXPIRE, Hold, OrderState, OrderStep, Wait};
use crate::domain::refusal::Refusal;

#[derive(Debug)]
pub struct OrderRow {
    pub id: OrderId,
    pub customer_id: String,
    pub amount: Won,
    /// What was given back of it.
    pub refunded: Won,
    /// What was asked for, as a hash.
    pub fingerprint: Fingerprint,
    /// How often its hold was extended.
    pub extension_count: i16,
    /// When the worker decided.
    pub created_at: DateTime<Utc>,
    /// Its deadline, of the hold or of the wait; a refused order has none.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was paid, if it was, refunded since or not.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it was as this row says, by PostgreSQL's clock.
    pub read_at: DateTime<Utc>,
    pub state: OrderState,
}

/// The columns as they come; [`OrderRow::from`] makes sense of them.
pub(super) struct RawOrder {
    pub(super) id: Uuid,
    pub(super) customer_id: String,
    pub(super) status: OrderStatus,
    pub(super) amount_won: i64,
    pub(super) refunded_won: i64,
    pub(super) fingerprint: Uuid,
    pub(super) refusal: Option<serde_json::Value>,
    pub(super) extension_count: i16,
    pub(super) created_at: DateTime<Utc>,
    pub(super) held_at: Option<DateTime<Utc>>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) closed_at: Option<DateTime<Utc>>,
    pub(super) read_at: DateTime<Utc>,
}

impl TryFrom<RawOrder> for OrderRow {
    type Error = sqlx::Error;

    /// The schema's CHECKs keep impossible rows out; a row that is one all the same is an error, not a guess.
    fn try_from(row: RawOrder) -> sqlx::Result<Self> {
        let impossible = || sqlx::Error::Decode(format!("order {} has an impossible row", row.id).into());
        let hold = || {
            let expires_at = row.expires_at.ok_or_else(impossible)?;
            let (began_at, extension_count) = (row.held_at.unwrap_or(row.created_at), row.extension_count);
            Ok::<_, sqlx::Error>(Hold { began_at, expires_at, extension_count })
        };
        let closed_at = || row.closed_at.ok_or_else(impossible);
        let state = match row.status {
            OrderStatus::Accepted => return Err(impossible()),
            OrderStatus::Waiting => {
                OrderState::Waiting(Wait { since: row.created_at, until: hold()?.expires_at })
            }
            OrderStatus::Held => OrderState::Held(hold()?),
            OrderStatus::Paying => OrderState::Paying(hold()?),
            OrderStatus::Paid => OrderState::Paid { paid_at: closed_at()? },
            OrderStatus::PartlyRefunded => OrderState::PartlyRefunded,
            OrderStatus::Refunded => OrderState::Refunded,
            OrderStatus::Refused => {
                let refusal: Option<Refusal> =
                    row.refusal.clone().and_then(|refusal| serde_json::from_value(refusal).ok());
                OrderState::Refused(refusal.ok_or_else(impossible)?)
            }
            OrderStatus::Expired => {
                OrderState::Expired { expires_at: hold()?.expires_at, released_at: closed_at()? }
            }
            OrderStatus::Cancelled => OrderState::Cancelled { cancelled_at: closed_at()? },
        };
        // A payment closes an order, and a refund leaves that as it is.
        let was_paid =
            matches!(row.status, OrderStatus::Paid | OrderStatus::PartlyRefunded | OrderStatus::Refunded);
        Ok(Self {
            id: row.id.into(),
            customer_id: row.customer_id,
            amount: Won(row.amount_won),
            refunded: Won(row.refunded_won),
            fingerprint: Fingerprint(row.fingerprint),
            extension_count: row.extension_count,
            created_at: row.created_at,
            expires_at: row.expires_at,
            paid_at: row.closed_at.filter(|_| was_paid),
            read_at: row.read_at,
            state,
        })
    }
}

/// Orders locked until the transaction ends, in the order of their ids, with the transaction's time.
pub async fn lock(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<OrderRow>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query_as!(
        RawOrder,
        r#"SELECT id, customer_id, status AS "status: OrderStatus", amount_won, refunded_won, fingerprint, refusal,
                  extension_count, created_at, held_at, expires_at, closed_at, now() AS "read_at!"
             FROM orders WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"#,
        &orders,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OrderRow::try_from).collect()
}

/// Like [`lock`], without those that somebody else has locked: nobody is waited for.
pub async fn lock_unlocked(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<OrderRow>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query_as!(
        RawOrder,
        r#"SELECT id, customer_id, status AS "status: OrderStatus", amount_won, refunded_won, fingerprint, refusal,
                  extension_count, created_at, held_at, expires_at, closed_at, now() AS "read_at!"
             FROM orders WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"#,
        &orders,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OrderRow::try_from).collect()
}

/// The transaction's time, by PostgreSQL's clock.
pub async fn transaction_time(conn: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(conn).await
}

pub async fn find(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Option<OrderRow>> {
    let row = sqlx::query_as!(
        RawOrder,
        r#"SELECT id, customer_id, status AS "status: OrderStatus", amount_won, refunded_won, fingerprint, refusal,
                  extension_count, created_at, held_at, expires_at, closed_at, now() AS "read_at!"
             FROM orders WHERE id = $1"#,
        order.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(OrderRow::try_from).transpose()
}

/// Some orders, newest first.
pub async fn find_all(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<OrderRow>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query_as!(
        RawOrder,
        r#"SELECT id, customer_id, status AS "status: OrderStatus", amount_won, refunded_won, fingerprint, refusal,
                  extension_count, created_at, held_at, expires_at, closed_at, now() AS "read_at!"
             FROM orders WHERE id = ANY($1) ORDER BY created_at DESC, id DESC"#,
        &orders,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OrderRow::try_from).collect()
}

/// Orders of one customer, newest first, from after `after` on, among the `looked_through` that come first: a status has few
/// orders or millions, and no index of its own.
pub async fn list(
    conn: &mut PgConnection,
    customer: &CustomerId,
    status: Option<OrderStatus>,
    after: Option<OrderId>,
    (looked_through, limit): (i64, i64),
) -> sqlx::Result<Vec<OrderRow>> {
    let rows = sqlx::query_as!(
        RawOrder,
        r#"SELECT id, customer_id, status AS "status: OrderStatus", amount_won, refunded_won, fingerprint, refusal,
                  extension_count, created_at, held_at, expires_at, closed_at, now() AS "read_at!"
             FROM (SELECT * FROM orders
                    WHERE customer_id = $1
                      AND ($3::uuid IS NULL OR (created_at, id) <
                           (SELECT a.created_at, a.id FROM orders a WHERE a.id = $3 AND a.customer_id = $1))
                    ORDER BY created_at DESC, id DESC LIMIT $4) AS newest
            WHERE $2::order_status IS NULL OR status = $2
            ORDER BY created_at DESC, id DESC LIMIT $5"#,
        customer.as_str(),
        status as Option<OrderStatus>,
        after.map(OrderId::uuid),
        looked_through,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OrderRow::try_from).collect()
}

/// The items of some orders, each order's in the order the buyer named them.
pub async fn items_of(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<(OrderId, HeldItem)>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query!(
        "SELECT order_id, sku_id, quantity, unit_price_won, discount_ratio_bp, amount_won, sku_code, name
           FROM order_items WHERE order_id = ANY($1) ORDER BY order_id, position",
        &orders,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let sku = crate::domain::ids::SkuCode::parse(row.sku_code);
            let item = HeldItem {
                sku_id: crate::domain::ids::SkuId(row.sku_id),
                sku: decoded(sku)?,
                name: row.name,
                quantity: row.quantity,
                unit_price: Won(row.unit_price_won),
                discount: DiscountRatio::from_basis_points(row.discount_ratio_bp),
                amount: Won(row.amount_won),
            };
            Ok((row.order_id.into(), item))
        })
        .collect()
}

/// A hold that was ended because its time is up.
#[derive(Debug, Clone, Copy)]
pub struct ExpiredHold {
    pub id: OrderId,
    pub expires_at: DateTime<Utc>,
    /// When it was ended, by PostgreSQL's clock.
    pub released_at: DateTime<Utc>,
}

/// Ends those of these holds whose time is up, and no others. (A CASE leads to no index: without statistics the planner would rather
/// read all that are on hold than look up a few by id.)
pub async fn expire(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<ExpiredHold>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query!(
        r#"WITH due AS (
               SELECT id FROM orders
                WHERE id = ANY($1) AND CASE WHEN status = $2 THEN expires_at <= now() ELSE false END
                ORDER BY id FOR NO KEY UPDATE
           )
           UPDATE orders SET status = $3::order_status, closed_at = now() FROM due
            WHERE orders.id = due.id AND CASE WHEN orders.status = $2 THEN true ELSE false END
           RETURNING orders.id, orders.expires_at AS "expires_at!", orders.closed_at AS "released_at!""#,
        &orders,
        EXPIRE.from() as OrderStatus,
        EXPIRE.to() as OrderStatus,
    )
    .fetch_all(conn)
    .await?;
    let expired = rows.into_iter().map(|row| ExpiredHold {
        id: row.id.into(),
        expires_at: row.expires_at,
        released_at: row.released_at,
    });
    Ok(expired.collect())
}

/// Those of these orders that are on hold and not due yet, with their deadlines.
pub async fn not_due_yet(
    conn: &mut PgConnection,
    orders: &[OrderId],
) -> sqlx::Result<Vec<(OrderId, DateTime<Utc>)>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT id, expires_at AS "expires_at!" FROM orders
            WHERE id = ANY($1) AND CASE WHEN status = 'held' THEN expires_at > now() ELSE false END"#,
        &orders,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.into(), row.expires_at)).collect())
}

/// Writes down the steps of locked, distinct orders: all of them, or it is an error. Whether that closes or opens an order
/// follows from the state it comes to.
pub async fn advance(conn: &mut PgConnection, steps: Vec<(OrderId, OrderStep)>) -> sqlx::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let (orders, from, to) = step_columns(&steps);
    let done = sqlx::query!(
        "UPDATE orders
            SET status = step.into_status,
                closed_at = CASE WHEN step.into_status IN ('held', 'paying') THEN NULL ELSE now() END
           FROM unnest($1::uuid[], $2::order_status[], $3::order_status[]) AS step (id, from_status, into_status)
          WHERE orders.id = step.id AND CASE WHEN orders.status = step.from_status THEN true ELSE false END",
        &orders,
        from.as_slice() as &[OrderStatus],
        to.as_slice() as &[OrderStatus],
    )
    .execute(conn)
    .await?;
    if done.rows_affected() == steps.len() as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// Steps as the columns of a statement: whose, which status each leaves, and to which it leads.
fn step_columns(steps: &[(OrderId, OrderStep)]) -> (Vec<Uuid>, Vec<OrderStatus>, Vec<OrderStatus>) {
    let orders = steps.iter().map(|(order, _)| order.uuid()).collect();
    let from = steps.iter().map(|(_, step)| step.from()).collect();
    let to = steps.iter().map(|(_, step)| step.to()).collect();
    (orders, from, to)
}

/// Refuses locked orders that waited, for the same reason.
pub async fn refuse(
    conn: &mut PgConnection,
    steps: Vec<(OrderId, OrderStep)>,
    refusal: &Refusal,
) -> sqlx::Result<()> {
    let (orders, from, to) = step_columns(&steps);
    let refusal = serde_json::to_value(refusal).expect("a refusal has string keys");
    let done = sqlx::query!(
        "UPDATE orders SET status = step.into_status, refusal = $4, expires_at = NULL, closed_at = now()
           FROM unnest($1::uuid[], $2::order_status[], $3::order_status[]) AS step (id, from_status, into_status)
          WHERE orders.id = step.id AND CASE WHEN orders.status = step.from_status THEN true ELSE false END",
        &orders,
        from.as_slice() as &[OrderStatus],
        to.as_slice() as &[OrderStatus],
        refusal,
    )
    .execute(conn)
    .await?;
    if done.rows_affected() == steps.len() as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// Writes down the holds of locked orders that waited, and what they cost.
pub async fn begin_holds(conn: &mut PgConnection, holds: &[(OrderId, Hold, Won)]) -> sqlx::Result<()> {
    let orders: Vec<Uuid> = holds.iter().map(|(order, ..)| order.uuid()).collect();
    let began: Vec<DateTime<Utc>> = holds.iter().map(|(_, hold, _)| hold.began_at).collect();
    let deadlines: Vec<DateTime<Utc>> = holds.iter().map(|(_, hold, _)| hold.expires_at).collect();
    let amounts: Vec<i64> = holds.iter().map(|(.., amount)| amount.0).collect();
    sqlx::query!(
        "UPDATE orders SET held_at = new.began_at, expires_at = new.expires_at, amount_won = new.amount_won
           FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bigint[])
                AS new (id, began_at, expires_at, amount_won)
          WHERE orders.id = new.id AND CASE WHEN status = 'held' THEN true ELSE false END",
        &orders,
        &began,
        &deadlines,
        &amounts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes items out of locked orders.
pub async fn drop_items(conn: &mut PgConnection, items: &[(OrderId, SkuId)]) -> sqlx::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = items.iter().map(|(order, _)| order.uuid()).collect();
    let skus: Vec<i64> = items.iter().map(|(_, sku)| sku.0).collect();
    sqlx::query!(
        "DELETE FROM order_items USING unnest($1::uuid[], $2::bigint[]) AS dropped (order_id, sku_id)
          WHERE order_items.order_id = dropped.order_id AND order_items.sku_id = dropped.sku_id",
        &orders,
        &skus,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn extend(conn: &mut PgConnection, holds: &[(OrderId, Hold)]) -> sqlx::Result<()> {
    let orders: Vec<Uuid> = holds.iter().map(|(order, _)| order.uuid()).collect();
    let deadlines: Vec<DateTime<Utc>> = holds.iter().map(|(_, hold)| hold.expires_at).collect();
    let counts: Vec<i16> = holds.iter().map(|(_, hold)| hold.extension_count).collect();
    sqlx::query!(
        "UPDATE orders SET expires_at = new.expires_at, extension_count = new.extension_count
           FROM unnest($1::uuid[], $2::timestamptz[], $3::smallint[]) AS new (id, expires_at, extension_count)
          WHERE orders.id = new.id AND CASE WHEN status = 'held' THEN true ELSE false END",
        &orders,
        &deadlines,
        &counts,
    )
    .execute(conn)
    .await?;
    Ok(())
}

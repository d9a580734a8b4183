//! Refunds: what was given back of paid orders, or is on its way back.

pub mod left;
pub mod returns;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::stock::StockChange;
use super::{CLAIM_SECONDS, decoded};
use crate::domain::gateway::PaymentKey;
use crate::domain::ids::{CommandId, OrderId, SkuCode, SkuId};
use crate::domain::money::Won;
use crate::domain::order::{OrderStatus, RefundStep};
use crate::domain::payment::Parts;
use crate::domain::refund::{Asked, RefundItem};

/// `refund_status` of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "refund_status", rename_all = "snake_case")]
pub enum RefundStatus {
    /// The gateway is asked to give the card's part back.
    Requesting,
    Done,
    Refused,
}

impl RefundStatus {
    /// Its name, the same as in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requesting => "requesting",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

pub(super) fn parts(wallet: i64, points: i64, card: i64) -> Parts {
    Parts { wallet: Won(wallet), points: Won(points), card: Won(card) }
}

/// A refund as it was decided.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// The command that asks for it.
    pub id: CommandId,
    /// The order it is of.
    pub order_id: OrderId,
    /// The payment that paid it.
    pub payment_id: CommandId,
    /// Where the money goes back to.
    pub parts: Parts,
    /// What was asked for.
    pub asked: Asked,
    /// Why, in the shop's words.
    pub reason: String,
    /// What is given back.
    pub items: Vec<RefundItem>,
}

impl NewRefund {
    /// What it comes to.
    pub fn amount(&self) -> Won {
        self.parts.total().expect("a part of an order costs no more than the order")
    }

    /// A card's part has to be asked for; anything else is back at once.
    pub fn status(&self) -> RefundStatus {
        if self.parts.card > Won(0) { RefundStatus::Requesting } else { RefundStatus::Done }
    }
}

/// Writes refunds down with their items.
pub async fn insert(conn: &mut PgConnection, refunds: &[NewRefund]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = refunds.iter().map(|refund| refund.id.0).collect();
    let orders: Vec<Uuid> = refunds.iter().map(|refund| refund.order_id.uuid()).collect();
    let payments: Vec<Uuid> = refunds.iter().map(|refund| refund.payment_id.0).collect();
    let statuses: Vec<RefundStatus> = refunds.iter().map(NewRefund::status).collect();
    let amounts: Vec<i64> = refunds.iter().map(|refund| refund.amount().0).collect();
    let part = |part: fn(&Parts) -> Won| -> Vec<i64> {
        refunds.iter().map(|refund| part(&refund.parts).0).collect()
    };
    let asked: Vec<String> = refunds.iter().map(|refund| json(&refund.asked)).collect();
    let reasons: Vec<&str> = refunds.iter().map(|refund| refund.reason.as_str()).collect();
    sqlx::query!(
        "INSERT INTO refunds (id, order_id, payment_id, status, amount_won, wallet_won, points_won, card_won, asked,
                              reason, closed_at)
         SELECT id, order_id, payment_id, status, amount_won, wallet_won, points_won, card_won, asked::jsonb, reason,
                CASE WHEN status <> 'requesting' THEN now() END
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::refund_status[], $5::bigint[], $6::bigint[],
                       $7::bigint[], $8::bigint[], $9::text[], $10::text[])
             AS new (id, order_id, payment_id, status, amount_won, wallet_won, points_won, card_won, asked, reason)",
        &ids,
        &orders,
        &payments,
        statuses.as_slice() as &[RefundStatus],
        &amounts,
        &part(|parts| parts.wallet),
        &part(|parts| parts.points),
        &part(|parts| parts.card),
        &asked,
        &reasons as &[&str],
    )
    .execute(&mut *conn)
    .await?;
    insert_items(conn, refunds).await
}

async fn insert_items(conn: &mut PgConnection, refunds: &[NewRefund]) -> sqlx::Result<()> {
    let items = || refunds.iter().flat_map(numbered);
    let ids: Vec<Uuid> = items().map(|(id, ..)| id.0).collect();
    let positions: Vec<i16> = items().map(|(_, position, _)| position).collect();
    let skus: Vec<i64> = items().map(|(.., item)| item.sku_id.0).collect();
    let codes: Vec<&str> = items().map(|(.., item)| item.sku.as_str()).collect();
    let quantities: Vec<i32> = items().map(|(.., item)| item.quantity).collect();
    let amounts: Vec<i64> = items().map(|(.., item)| item.amount.0).collect();
    let restock: Vec<bool> = items().map(|(.., item)| item.restock).collect();
    sqlx::query!(
        "INSERT INTO refund_items (refund_id, position, sku_id, sku_code, quantity, amount_won, restock)
         SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::text[], $5::int[], $6::bigint[], $7::bool[])",
        &ids,
        &positions,
        &skus,
        &codes as &[&str],
        &quantities,
        &amounts,
        &restock,
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn numbered(refund: &NewRefund) -> impl Iterator<Item = (CommandId, i16, &RefundItem)> {
    (0..).zip(&refund.items).map(|(position, item)| (refund.id, position, item))
}

/// What was asked for, as it is stored: the same for the same request.
pub fn json(asked: &Asked) -> String {
    serde_json::to_string(asked).expect("a request has string keys and no failing serializer")
}

/// A refund whose gateway is to be asked.
#[derive(Debug, Clone)]
pub struct OpenRefund {
    /// Its id, from which the key of its call is made.
    pub id: CommandId,
    /// The order it is of.
    pub order_id: OrderId,
    /// The gateway's name of the payment.
    pub key: PaymentKey,
    /// Where the money goes back to; the card's part is what the gateway is asked for.
    pub parts: Parts,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// Those of these refunds that are not at their end.
pub async fn find_open(conn: &mut PgConnection, refunds: &[CommandId]) -> sqlx::Result<Vec<OpenRefund>> {
    let ids: Vec<Uuid> = refunds.iter().map(|refund| refund.0).collect();
    let rows = sqlx::query!(
        r#"SELECT r.id, r.order_id, r.wallet_won, r.points_won, r.card_won, r.created_at,
                  p.payment_key AS "payment_key!"
             FROM refunds r JOIN payments p ON p.id = r.payment_id
            WHERE r.id = ANY($1) AND CASE WHEN r.status = 'requesting' THEN true ELSE false END"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let key = decoded(PaymentKey::parse(row.payment_key))?;
            let (id, order_id) = (CommandId(row.id), row.order_id.into());
            let parts = parts(row.wallet_won, row.points_won, row.card_won);
            Ok(OpenRefund { id, order_id, key, parts, created_at: row.created_at })
        })
        .collect()
}

/// Ends open refunds: done, or refused with the gateway's code. Lock their orders first.
pub async fn finish(conn: &mut PgConnection, refunds: &[(CommandId, Option<String>)]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = refunds.iter().map(|(id, _)| id.0).collect();
    let codes: Vec<Option<&str>> = refunds.iter().map(|(_, code)| code.as_deref()).collect();
    sqlx::query!(
        "UPDATE refunds
            SET status = CASE WHEN new.code IS NULL THEN 'done' ELSE 'refused' END::refund_status,
                refusal_code = new.code, closed_at = now(),
                inquiry_count = inquiry_count + 1, last_inquiry_at = now()
           FROM unnest($1::uuid[], $2::text[]) AS new (id, code)
          WHERE refunds.id = new.id AND CASE WHEN refunds.status = 'requesting' THEN true ELSE false END",
        &ids,
        &codes as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that the gateway was asked and gave no definite answer.
pub async fn note_inquiries(conn: &mut PgConnection, refunds: &[CommandId]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = refunds.iter().map(|refund| refund.0).collect();
    sqlx::query!(
        "UPDATE refunds SET inquiry_count = inquiry_count + 1, last_inquiry_at = now() WHERE id = ANY($1)",
        &ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The items of some refunds.
pub async fn items_of(
    conn: &mut PgConnection,
    refunds: &[CommandId],
) -> sqlx::Result<Vec<(CommandId, RefundItem)>> {
    let ids: Vec<Uuid> = refunds.iter().map(|refund| refund.0).collect();
    let rows = sqlx::query!(
        "SELECT refund_id, sku_id, sku_code, quantity, amount_won, restock FROM refund_items
          WHERE refund_id = ANY($1) ORDER BY refund_id, position",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let sku = decoded(SkuCode::parse(row.sku_code))?;
            let (quantity, amount, restock) = (row.quantity, Won(row.amount_won), row.restock);
            let item = RefundItem { sku_id: SkuId(row.sku_id), sku, quantity, amount, restock };
            Ok((CommandId(row.refund_id), item))
        })
        .collect()
}

/// Writes the units of these refunds down that are sold again, and returns what that does to the stock.
pub async fn restock(conn: &mut PgConnection, refunds: &[CommandId]) -> sqlx::Result<Vec<StockChange>> {
    let ids: Vec<Uuid> = refunds.iter().map(|refund| refund.0).collect();
    let rows = sqlx::query!(
        "INSERT INTO stock_movements (sku_id, order_id, on_hand_change, reason)
         SELECT i.sku_id, r.order_id, i.quantity, 'returned'
           FROM refunds r CROSS JOIN LATERAL (
                SELECT sku_id, quantity FROM refund_items WHERE refund_id = r.id AND restock OFFSET 0) AS i
          WHERE r.id = ANY($1)
         RETURNING sku_id, on_hand_change",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let change = rows.into_iter().map(|row| StockChange {
        sku_id: SkuId(row.sku_id),
        on_hand: row.on_hand_change,
        reserved: 0,
    });
    Ok(change.collect())
}

/// Brings locked orders to the state that these refunds, which have just been finished, lead to: a step of a part or of the whole.
/// Returns which orders are given back wholly: all units are counted as returned, and no refund is still on its way. Refunds of
/// one order bring the same step. All orders are moved, or it is an error.
pub async fn advance_orders(
    conn: &mut PgConnection,
    finished: &[(CommandId, OrderId, &RefundStep)],
) -> sqlx::Result<Vec<OrderId>> {
    let ids: Vec<Uuid> = finished.iter().map(|(refund, ..)| refund.0).collect();
    let from: Vec<OrderStatus> = finished.iter().map(|(.., step)| step.part.from()).collect();
    let part: Vec<OrderStatus> = finished.iter().map(|(.., step)| step.part.to()).collect();
    let whole: Vec<OrderStatus> = finished.iter().map(|(.., step)| step.whole.to()).collect();
    let rows = sqlx::query!(
        r#"UPDATE orders o
              SET status = CASE WHEN bought.are_all_back AND NOT EXISTS (
                                     SELECT FROM refunds r WHERE r.order_id = o.id AND r.status = 'requesting' OFFSET 0)
                                THEN back.whole ELSE back.part END,
                  refunded_won = o.refunded_won + back.amount_won
             FROM (SELECT done.order_id, sum(done.amount_won)::bigint AS amount_won, min(step.from_status) AS from_status,
                          min(step.part) AS part, min(step.whole) AS whole
                     FROM unnest($1::uuid[], $2::order_status[], $3::order_status[], $4::order_status[])
                            AS step (refund_id, from_status, part, whole)
                    CROSS JOIN LATERAL (
                          SELECT order_id, amount_won FROM refunds
                           WHERE id = step.refund_id AND status = 'done' OFFSET 0) AS done
                    GROUP BY done.order_id) AS back
            CROSS JOIN LATERAL (SELECT bool_and(returned_units >= quantity) AS are_all_back
                                  FROM order_items WHERE order_id = back.order_id) AS bought
            WHERE o.id = back.order_id AND CASE WHEN o.status = back.from_status THEN true ELSE false END
           RETURNING o.id, o.status = back.whole AS "is_whole!""#,
        &ids,
        from.as_slice() as &[OrderStatus],
        part.as_slice() as &[OrderStatus],
        whole.as_slice() as &[OrderStatus],
    )
    .fetch_all(conn)
    .await?;
    let orders: HashSet<OrderId> = finished.iter().map(|(_, order, _)| *order).collect();
    if rows.len() != orders.len() {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(rows.into_iter().filter(|row| row.is_whole).map(|row| row.id.into()).collect())
}

/// Claims open refunds that nobody has asked about for `quiet_seconds`, oldest first, for a short while: in health there are
/// none. One that stays open though it was woken is claimed ever more rarely, as its message may only be waiting in a long
/// queue.
pub async fn claim_forgotten(
    conn: &mut PgConnection,
    quiet_seconds: i32,
    limit: i64,
) -> sqlx::Result<Vec<(CommandId, OrderId)>> {
    let rows = sqlx::query!(
        "UPDATE refunds SET claimed_until = now() + make_interval(secs => $3)
          WHERE id IN (SELECT id FROM refunds
                        WHERE status = 'requesting' AND created_at >= nothing_open_before('refund')
                          AND greatest(created_at, last_inquiry_at) < now() - make_interval(secs => $1::int)
                          AND (woken_at IS NULL OR woken_at < now() - greatest(make_interval(secs => $1::int), (now() - created_at) / 2))
                          AND (claimed_until IS NULL OR claimed_until < now())
                        ORDER BY created_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
         RETURNING id, order_id",
        quiet_seconds,
        limit,
        CLAIM_SECONDS,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (CommandId(row.id), row.order_id.into())).collect())
}

/// Notes which claimed refunds were woken. Those that were not may be claimed again at once.
pub async fn note_woken(conn: &mut PgConnection, claimed: &[(CommandId, bool)]) -> sqlx::Result<()> {
    let (ids, woken): (Vec<Uuid>, Vec<bool>) = claimed.iter().map(|(id, woken)| (id.0, *woken)).unzip();
    sqlx::query!(
        "UPDATE refunds SET claimed_until = NULL, woken_at = CASE WHEN claimed.woken THEN now() ELSE woken_at END
           FROM unnest($1::uuid[], $2::bool[]) AS claimed (id, woken) WHERE refunds.id = claimed.id",
        &ids,
        &woken,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A refund as it is shown.
#[derive(Debug, Clone)]
pub struct RefundRow {
    pub id: CommandId,
    pub status: RefundStatus,
    /// What it comes to.
    pub amount: Won,
    /// Where the money goes back to.
    pub parts: Parts,
    /// What was asked for.
    pub asked: serde_json::Value,
    /// Why, in the shop's words.
    pub reason: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// The latest 200 refunds of an order, oldest first.
pub async fn of_order(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Vec<RefundRow>> {
    let mut rows = sqlx::query!(
        r#"SELECT id, status AS "status: RefundStatus", amount_won, wallet_won, points_won, card_won, asked, reason,
                  created_at
             FROM refunds WHERE order_id = $1 ORDER BY created_at DESC, id DESC LIMIT 200"#,
        order.uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.reverse();
    let refund = rows.into_iter().map(|row| RefundRow {
        id: CommandId(row.id),
        status: row.status,
        amount: Won(row.amount_won),
        parts: parts(row.wallet_won, row.points_won, row.card_won),
        asked: row.asked,
        reason: row.reason,
        created_at: row.created_at,
    });
    Ok(refund.collect())
}

/// Refunds of an order that a gateway has not answered yet, oldest first, at most 200.
pub async fn open_of_order(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Vec<CommandId>> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM refunds WHERE order_id = $1 AND status = 'requesting' ORDER BY created_at, id LIMIT 200",
        order.uuid(),
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(CommandId).collect())
}

/// What a refund was asked for, should there be one of this id.
pub async fn asked_for(conn: &mut PgConnection, id: CommandId) -> sqlx::Result<Option<serde_json::Value>> {
    sqlx::query_scalar!("SELECT asked FROM refunds WHERE id = $1", id.0).fetch_optional(conn).await
}

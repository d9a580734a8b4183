//! What the feed makes of the facts of a part: counters, and an outbox of what is to be told outside. It cares for money that
//! moved, and for the end of a wait: that an order is held or refused which has waited, so that this is not its first fact.
//!
//! Everything is written in the transaction that moves the cursor, so each fact takes effect exactly once.

use chrono_tz::Tz;
use sqlx::PgConnection;

use super::cursors::{CursorLook, LogPart, LogPosition};
use crate::store::effects::{Effect, EffectKind, effect};

/// Whether there are facts behind this place that the feed cares for, be it too early to read them.
pub async fn is_behind(conn: &mut PgConnection, position: LogPosition) -> sqlx::Result<bool> {
    let next = sqlx::query!(
        "SELECT FROM order_events
          WHERE (transaction_id, id) > ($1::bigint::text::xid8, $2)
            AND (type IN ('order.paid', 'order.refunded')
                 OR (type IN ('order.held', 'order.refused') AND sequence > 1))
          ORDER BY transaction_id, id LIMIT 1",
        position.transaction,
        position.id,
    );
    Ok(next.fetch_optional(conn).await?.is_some())
}

/// The next facts that the feed cares for, at most `limit`.
pub async fn next_part(conn: &mut PgConnection, look: &CursorLook, limit: i64) -> sqlx::Result<LogPart> {
    let facts = sqlx::query_as!(
        LogPosition,
        r#"SELECT transaction_id::text::bigint AS "transaction!", id AS "id!"
             FROM facts_of_effect_after($1::bigint::text::xid8, $2, $3::bigint::text::xid8, $4)"#,
        look.position.transaction,
        look.position.id,
        look.horizon,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(LogPart::of(look, &facts, limit))
}

/// Counts what customers paid and got back. A wholly refunded order is none any more.
pub async fn count_customers(conn: &mut PgConnection, part: &LogPart) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO customer_totals AS totals (customer_id, order_count, paid_won, refunded_won)
         SELECT o.customer_id,
                sum(CASE WHEN e.type = 'order.paid' THEN 1
                         WHEN (e.data ->> 'is_whole')::boolean THEN -1 ELSE 0 END),
                sum(CASE WHEN e.type = 'order.paid' THEN (e.data ->> 'amount_won')::bigint ELSE 0 END),
                sum(CASE WHEN e.type = 'order.refunded' THEN (e.data ->> 'amount_won')::bigint ELSE 0 END)
           FROM order_events e JOIN orders o ON o.id = e.order_id
          WHERE (e.transaction_id, e.id) > ($1::bigint::text::xid8, $2)
            AND (e.transaction_id, e.id) <= ($3::bigint::text::xid8, $4)
            AND e.type IN ('order.paid', 'order.refunded')
          GROUP BY o.customer_id
         ON CONFLICT (customer_id) DO UPDATE
            SET order_count = totals.order_count + excluded.order_count,
                paid_won = totals.paid_won + excluded.paid_won,
                refunded_won = totals.refunded_won + excluded.refunded_won",
        part.from.transaction,
        part.from.id,
        part.to.transaction,
        part.to.id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts what was sold on each day, as days go in this time zone.
pub async fn count_sales(conn: &mut PgConnection, part: &LogPart, time_zone: Tz) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH facts AS MATERIALIZED (
             SELECT order_id, type, data, (occurred_at AT TIME ZONE $5)::date AS day FROM order_events
              WHERE (transaction_id, id) > ($1::bigint::text::xid8, $2)
                AND (transaction_id, id) <= ($3::bigint::text::xid8, $4)
                AND type IN ('order.paid', 'order.refunded')
         ), moved AS (
             SELECT f.day, i.sku_id, i.quantity AS sold, 0 AS refunded, i.amount_won
               FROM facts f JOIN order_items i ON i.order_id = f.order_id WHERE f.type = 'order.paid'
             UNION ALL
             SELECT f.day, s.id, 0, r.quantity, -r.amount_won
               FROM facts f
              CROSS JOIN jsonb_to_recordset(f.data -> 'items') AS r (sku text, quantity integer, amount_won bigint)
               JOIN skus s ON s.code = r.sku
              WHERE f.type = 'order.refunded'
         )
         INSERT INTO sku_sales AS sales (day, sku_id, units, amount_won, sold_units, refunded_units)
         SELECT day, sku_id, sum(sold - refunded), sum(amount_won), sum(sold), sum(refunded)
           FROM moved GROUP BY day, sku_id
         ON CONFLICT (day, sku_id) DO UPDATE
            SET units = sales.units + excluded.units, amount_won = sales.amount_won + excluded.amount_won,
                sold_units = sales.sold_units + excluded.sold_units,
                refunded_units = sales.refunded_units + excluded.refunded_units",
        part.from.transaction,
        part.from.id,
        part.to.transaction,
        part.to.id,
        time_zone.name(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down what is to be told, once per fact and kind, and returns what is open of it. Nobody is mailed who left
/// no address, and nobody is told of what happened before the cursor was made.
pub async fn fill_outbox(
    conn: &mut PgConnection,
    part: &LogPart,
    kinds: &[EffectKind],
) -> sqlx::Result<Vec<Effect>> {
    if kinds.is_empty() {
        return Ok(vec![]);
    }
    let rows = sqlx::query!(
        r#"WITH facts AS MATERIALIZED (
               SELECT e.id, e.order_id, NOT EXISTS (SELECT FROM customer_contacts c JOIN orders o USING (customer_id)
                                                     WHERE o.id = e.order_id) AS is_unreachable
                 FROM order_events e
                WHERE (e.transaction_id, e.id) > ($1::bigint::text::xid8, $2)
                  AND (e.transaction_id, e.id) <= ($3::bigint::text::xid8, $4)
                  AND (e.type IN ('order.paid', 'order.refunded')
                       OR (e.type IN ('order.held', 'order.refused') AND e.sequence > 1))
                  AND e.occurred_at >= (SELECT created_at FROM relay_cursors WHERE name = 'effects')
           ), written AS (
               INSERT INTO effects (event_id, kind, order_id, status, done_at)
               SELECT f.id, kind, f.order_id,
                      CASE WHEN kind = 'mail' AND is_unreachable THEN 'skipped' ELSE 'open' END::effect_status,
                      CASE WHEN kind = 'mail' AND is_unreachable THEN now() END
                 FROM facts f CROSS JOIN unnest($5::effect_kind[]) AS kind
               ON CONFLICT DO NOTHING
               RETURNING event_id, kind, order_id, status
           )
           SELECT event_id, kind AS "kind: EffectKind", order_id FROM written WHERE status = 'open'"#,
        part.from.transaction,
        part.from.id,
        part.to.transaction,
        part.to.id,
        kinds as &[EffectKind],
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| effect(row.event_id, row.kind, row.order_id)).collect())
}

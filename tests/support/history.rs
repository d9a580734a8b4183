//! A shop with a past: orders of long ago, or many that are on hold, written by SQL as workers would have left them, so that
//! every truth holds. Ten thousand of them take a second or less.

use super::world::World;

/// Orders written by one statement: none may take five seconds, on a busy machine either.
const AT_ONCE: i64 = 5_000;
/// The SKU they are of. It costs nothing, so that no money has to be told of.
pub const SKU: &str = "past";

/// What became of the orders.
#[derive(Debug, Clone, Copy)]
pub enum Past {
    /// Refused two days ago.
    Refused,
    /// Paid two days ago, one unit each.
    Paid,
    /// On hold for another hour, one unit each.
    Held,
    /// On hold since an hour ago, which was too long: nothing has released them.
    Overdue,
}

impl Past {
    fn status(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Paid => "paid",
            Self::Held | Self::Overdue => "held",
        }
    }

    /// When the first of them was decided, and when its hold ends, both in seconds from now.
    fn seconds(self) -> (f64, f64) {
        const HOUR: f64 = 3_600.0;
        match self {
            Self::Refused | Self::Paid => (-48.0 * HOUR, -47.0 * HOUR),
            Self::Held => (-HOUR, HOUR),
            Self::Overdue => (-2.0 * HOUR, -HOUR),
        }
    }
}

/// Writes `count` orders of the customers `name-0`, `name-1` and so on, in turns, and decides a millisecond after the other.
/// Nothing that moves orders or stock may run meanwhile. Call it with a name once.
pub async fn fill(world: &World, past: Past, count: i64, name: &str, customers: i64) {
    make_sku(world).await;
    let (decided, ends) = past.seconds();
    for first in (0..count).step_by(AT_ONCE as usize) {
        let last = (first + AT_ONCE).min(count) - 1;
        let mut tx = world.pool.begin().await.unwrap();
        // What is written here is counted here, not as if a worker of an older version had sold it; and filling may take
        // as long as it does on a slow machine.
        sqlx::query("SELECT set_config('holdfast.counts_units', 'on', true), set_config('statement_timeout', '0', true)")
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query(FILL)
            .bind(first)
            .bind(last)
            .bind(name)
            .bind(customers)
            .bind(past.status())
            .bind(decided)
            .bind(ends)
            .execute(&mut *tx)
            .await
            .unwrap();
        let counts: bool = sqlx::query_scalar("SELECT to_regclass('units_bought') IS NOT NULL")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        if counts && matches!(past, Past::Paid) {
            let count = sqlx::query(COUNT).bind(first).bind(last).bind(name).bind(customers);
            count.execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}

async fn make_sku(world: &World) {
    let sql = "WITH sku AS (
                   INSERT INTO skus (code, name, price_won) VALUES ($1, 'Of the past', 0)
                   ON CONFLICT (code) DO NOTHING RETURNING id)
               INSERT INTO stock (sku_id) SELECT id FROM sku";
    sqlx::query(sql).bind(SKU).execute(&world.pool).await.unwrap();
}

/// What was sold or is on hold was received before, so that the number of units nobody holds stays what it is.
const FILL: &str = "
    WITH past AS MATERIALIZED (
        SELECT md5($3 || n)::uuid AS id, $3 || '-' || n % $4 AS customer_id, $5::text::order_status AS status,
               now() + make_interval(secs => $6 + n / 1000.0) AS created_at,
               now() + make_interval(secs => $7 + n / 1000.0) AS expires_at
          FROM generate_series($1::bigint, $2::bigint) AS n),
    sku AS MATERIALIZED (SELECT id, code, name FROM skus WHERE code = 'past'),
    written AS (
        INSERT INTO orders (id, customer_id, status, amount_won, fingerprint, refusal, created_at, expires_at, closed_at)
        SELECT id, customer_id, status, 0, id,
               CASE WHEN status = 'refused' THEN '{\"reason\": \"too_many_holds\", \"limit\": 10}'::jsonb END, created_at,
               CASE WHEN status <> 'refused' THEN expires_at END, CASE WHEN status <> 'held' THEN created_at END
          FROM past),
    items AS (
        INSERT INTO order_items (order_id, sku_id, position, quantity, unit_price_won, discount_ratio_bp, amount_won,
                                 sku_code, name)
        SELECT past.id, sku.id, 0, 1, 0, 0, 0, sku.code, sku.name FROM past, sku WHERE status <> 'refused'),
    decided AS (
        INSERT INTO order_events (order_id, command_id, type, data, occurred_at)
        SELECT id, id, CASE WHEN status = 'refused' THEN 'order.refused' ELSE 'order.held' END,
               jsonb_build_object('customer_id', customer_id, 'amount_won', 0, 'expires_at', expires_at), created_at
          FROM past),
    paid AS (
        INSERT INTO order_events (order_id, command_id, type, data, occurred_at)
        SELECT id, id, 'order.paid', jsonb_build_object('payment_id', id, 'amount_won', 0, 'method', 'none'), created_at
          FROM past WHERE status = 'paid'),
    payments AS (
        INSERT INTO payments (id, order_id, status, amount_won, wallet_won, points_won, card_won, created_at)
        SELECT id, id, 'captured', 0, 0, 0, 0, created_at FROM past WHERE status = 'paid'),
    received AS (
        INSERT INTO stock_movements (sku_id, on_hand_change, reason)
        SELECT sku.id, $2 - $1 + 1, 'received' FROM sku WHERE $5 <> 'refused'),
    sold AS (
        INSERT INTO stock_movements (sku_id, order_id, on_hand_change, reason, created_at)
        SELECT sku.id, past.id, -1, 'sold', created_at FROM past, sku WHERE status = 'paid')
    UPDATE stock SET on_hand = on_hand + $2 - $1 + 1, reserved = reserved + $2 - $1 + 1
      FROM sku WHERE stock.sku_id = sku.id AND $5 = 'held'";

const COUNT: &str = "
    INSERT INTO units_bought (customer_id, sku_id, units)
    SELECT $3 || '-' || n % $4, s.id, count(*)
      FROM generate_series($1::bigint, $2::bigint) AS n, skus s WHERE s.code = 'past'
     GROUP BY 1, 2
    ON CONFLICT (customer_id, sku_id) DO UPDATE SET units = units_bought.units + excluded.units";

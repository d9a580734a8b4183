//! The truths that always hold, as SQL: each query names the rows that break one, so a healthy system has none.

use sqlx::{Connection as _, PgConnection, Row as _};

/// Something that must be so at every moment, under any fault.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// Its name, also the label of its metric.
    pub name: &'static str,
    /// Selects a text naming each row that breaks it.
    broken_by: &'static str,
}

/// How many rows broke a truth, and the first of them.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which truth.
    pub truth: &'static str,
    /// Rows that break it.
    pub violations: i64,
    /// Up to five of them.
    pub examples: Vec<String>,
}

/// A hold may outlive its deadline by this while PostgreSQL and one worker live.
pub const MAX_OVERDUE_SECONDS: i64 = 60;

/// Every truth, in the order of the report.
pub const TRUTHS: [Truth; 17] = [
    Truth {
        name: "stock_is_never_oversold",
        broken_by: "SELECT 'sku ' || sku_id AS row FROM stock WHERE NOT (0 <= reserved AND reserved <= on_hand)",
    },
    Truth {
        name: "reserved_is_the_sum_of_live_holds",
        broken_by: "SELECT 'sku ' || coalesce(s.sku_id, h.sku_id) AS row
               FROM stock s FULL JOIN (
                    SELECT i.sku_id, sum(i.quantity) AS units FROM orders o JOIN order_items i ON i.order_id = o.id
                     WHERE o.status IN ('held', 'paying') GROUP BY i.sku_id) h ON h.sku_id = s.sku_id
              WHERE coalesce(s.reserved, 0) <> coalesce(h.units, 0)",
    },
    Truth {
        name: "on_hand_is_the_sum_of_movements",
        broken_by: "SELECT 'sku ' || coalesce(s.sku_id, m.sku_id) AS row
               FROM stock s FULL JOIN (
                    SELECT sku_id, sum(on_hand_change) AS units FROM stock_movements GROUP BY sku_id) m
                    ON m.sku_id = s.sku_id
              WHERE coalesce(s.on_hand, 0) <> coalesce(m.units, 0)",
    },
    Truth {
        name: "sold_units_are_those_of_paid_orders",
        broken_by: "SELECT 'order ' || coalesce(p.order_id, m.order_id) AS row
               FROM (SELECT i.order_id, i.sku_id, i.quantity FROM orders o JOIN order_items i ON i.order_id = o.id
                      WHERE o.status IN ('paid', 'partly_refunded', 'refunded')) p
               FULL JOIN (SELECT order_id, sku_id, -sum(on_hand_change) AS quantity FROM stock_movements
                           WHERE reason = 'sold' GROUP BY order_id, sku_id) m
                    ON m.order_id = p.order_id AND m.sku_id = p.sku_id
              WHERE coalesce(p.quantity, 0) <> coalesce(m.quantity, 0)",
    },
    Truth {
        name: "paid_means_captured_once_in_full",
        broken_by: "SELECT 'order ' || coalesce(o.id, p.order_id) AS row
               FROM (SELECT id, amount_won FROM orders WHERE status IN ('paid', 'partly_refunded', 'refunded')) o
               FULL JOIN (SELECT order_id, count(*) AS times, sum(amount_won) AS amount_won FROM payments
                           WHERE status = 'captured' GROUP BY order_id) p ON p.order_id = o.id
              WHERE o.id IS NULL OR p.order_id IS NULL OR p.times <> 1 OR p.amount_won <> o.amount_won",
    },
    Truth {
        name: "captured_payments_have_ledger_entries",
        broken_by: "SELECT 'payment ' || p.id AS row FROM payments p
               LEFT JOIN ledger_entries e ON e.transaction_id = p.id AND e.account = 'sales'
              WHERE coalesce(e.amount_won, 0) <> CASE WHEN p.status = 'captured' THEN p.amount_won ELSE 0 END",
    },
    Truth {
        name: "no_hold_outlives_its_deadline",
        broken_by: "SELECT 'order ' || id AS row FROM orders
              WHERE status = 'held' AND expires_at < now() - interval '60 seconds'",
    },
    Truth {
        name: "wallet_balances_are_their_entries",
        broken_by: "SELECT 'wallet ' || coalesce(w.customer_id, e.customer_id) AS row
               FROM wallets w FULL JOIN (
                    SELECT customer_id, sum(amount_won) AS balance_won FROM ledger_entries
                     WHERE account = 'wallet' GROUP BY customer_id) e ON e.customer_id = w.customer_id
              WHERE coalesce(w.balance_won, 0) <> coalesce(e.balance_won, 0) OR coalesce(w.balance_won, 0) < 0",
    },
    Truth {
        name: "ledger_transactions_sum_to_zero",
        broken_by: "SELECT 'transaction ' || transaction_id AS row FROM ledger_entries
              GROUP BY transaction_id HAVING sum(amount_won) <> 0",
    },
    Truth {
        name: "an_order_costs_the_sum_of_its_items",
        broken_by: "SELECT 'order ' || coalesce(o.id, i.order_id) AS row
               FROM orders o FULL JOIN (
                    SELECT order_id, sum(amount_won) AS amount_won, count(*) AS items FROM order_items
                     GROUP BY order_id) i ON i.order_id = o.id
              WHERE o.id IS NULL OR o.amount_won <> coalesce(i.amount_won, 0)
                 OR (o.status = 'refused') <> (i.order_id IS NULL)",
    },
    Truth {
        name: "items_are_of_known_skus",
        broken_by: "SELECT 'order ' || i.order_id AS row FROM order_items i
              WHERE NOT EXISTS (SELECT FROM skus s WHERE s.id = i.sku_id)",
    },
    Truth {
        name: "every_state_has_its_event",
        broken_by: "SELECT 'order ' || coalesce(o.id, e.order_id) AS row
               FROM orders o FULL JOIN (
                    SELECT order_id,
                           count(*) FILTER (WHERE type IN ('order.held', 'order.refused')) AS decided,
                           count(*) FILTER (WHERE type = 'order.paid') AS paid,
                           count(*) FILTER (WHERE type = 'order.expired') AS expired,
                           count(*) FILTER (WHERE type = 'order.cancelled') AS cancelled,
                           -- Late money may pay for an order that expired before.
                           bool_or(type = 'payment.late' AND data ->> 'paid' = 'true') AS late
                      FROM order_events GROUP BY order_id) e ON e.order_id = o.id
              WHERE o.id IS NULL OR e.order_id IS NULL OR e.decided <> 1
                 OR e.paid <> (o.status IN ('paid', 'partly_refunded', 'refunded'))::int
                 OR e.cancelled <> (o.status = 'cancelled')::int
                 OR (e.expired <> (o.status = 'expired')::int AND NOT (e.late AND e.expired = 1))",
    },
    Truth {
        name: "an_order_is_paying_while_a_payment_asks",
        broken_by: "SELECT 'order ' || coalesce(o.id, p.order_id) AS row
               FROM (SELECT id FROM orders WHERE status = 'paying') o
               FULL JOIN (SELECT order_id FROM payments WHERE status IN ('requesting', 'unknown')) p
                    ON p.order_id = o.id
              WHERE o.id IS NULL OR p.order_id IS NULL",
    },
    Truth {
        name: "no_open_payment_is_forgotten",
        broken_by: "SELECT 'payment ' || id AS row FROM payments
              WHERE status IN ('requesting', 'unknown', 'returning')
                AND created_at < now() - interval '10 minutes'
                AND coalesce(last_inquiry_at, created_at) < now() - interval '2 minutes'",
    },
    Truth {
        name: "customer_totals_are_the_facts_up_to_the_cursor",
        broken_by: "SELECT 'customer ' || coalesce(t.customer_id, f.customer_id) AS row
               FROM customer_totals t FULL JOIN (
                    SELECT o.customer_id,
                           count(*) FILTER (WHERE e.type = 'order.paid')
                           - count(*) FILTER (WHERE e.data ->> 'is_whole' = 'true') AS order_count,
                           sum((e.data ->> 'amount_won')::bigint) FILTER (WHERE e.type = 'order.paid') AS paid_won,
                           sum((e.data ->> 'amount_won')::bigint) FILTER (WHERE e.type = 'order.refunded')
                               AS refunded_won
                      FROM order_events e JOIN orders o ON o.id = e.order_id
                     WHERE e.type IN ('order.paid', 'order.refunded') AND e.transaction_id
                           < (SELECT from_transaction FROM relay_cursors WHERE name = 'effects')
                     GROUP BY o.customer_id) f ON f.customer_id = t.customer_id
              WHERE (t.order_count, t.paid_won, t.refunded_won)
                    IS DISTINCT FROM (f.order_count, coalesce(f.paid_won, 0), coalesce(f.refunded_won, 0))",
    },
    Truth {
        name: "sales_are_the_items_of_facts_up_to_the_cursor",
        broken_by: "SELECT 'sku ' || coalesce(t.sku_id, f.sku_id) AS row
               FROM (SELECT sku_id, sum(units) AS units, sum(amount_won) AS amount_won FROM sku_sales
                      GROUP BY sku_id) t
               FULL JOIN (
                    SELECT sku_id, sum(units) AS units, sum(amount_won) AS amount_won FROM (
                        SELECT e.transaction_id, i.sku_id, i.quantity AS units, i.amount_won
                          FROM order_events e JOIN order_items i ON i.order_id = e.order_id
                         WHERE e.type = 'order.paid'
                        UNION ALL
                        SELECT e.transaction_id, s.id, -(r ->> 'quantity')::integer, -(r ->> 'amount_won')::bigint
                          FROM order_events e CROSS JOIN jsonb_array_elements(e.data -> 'items') AS r
                          JOIN skus s ON s.code = r ->> 'sku'
                         WHERE e.type = 'order.refunded') moved
                     WHERE transaction_id < (SELECT from_transaction FROM relay_cursors WHERE name = 'effects')
                     GROUP BY sku_id) f ON f.sku_id = t.sku_id
              WHERE (t.units, t.amount_won) IS DISTINCT FROM (f.units, f.amount_won)",
    },
    Truth {
        name: "no_open_effect_is_forgotten",
        broken_by: "SELECT kind || ' of event ' || event_id AS row FROM effects
              WHERE status = 'open' AND due_at < now() - interval '10 minutes'",
    },
];

/// Checks every truth against one snapshot of the database.
pub async fn check(conn: &mut PgConnection) -> sqlx::Result<Vec<Finding>> {
    let mut tx = conn.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
    // The sums run over whole tables; the limits and plans of ordinary statements are not for them.
    for setting in [
        "statement_timeout = '10min'",
        "enable_seqscan = on",
        "enable_hashjoin = on",
        "enable_mergejoin = on",
    ] {
        sqlx::query(sqlx::AssertSqlSafe(format!("SET LOCAL {setting}"))).execute(&mut *tx).await?;
    }
    let mut findings = Vec::with_capacity(TRUTHS.len());
    for truth in TRUTHS {
        let sql = format!(
            "SELECT count(*) AS violations, (array_agg(broken.row))[1:5] AS examples FROM ({}) AS broken",
            truth.broken_by
        );
        // The text is made of the constants above only.
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *tx).await?;
        findings.push(Finding {
            truth: truth.name,
            violations: row.try_get("violations")?,
            examples: row.try_get::<Option<Vec<String>>, _>("examples")?.unwrap_or_default(),
        });
    }
    tx.commit().await?;
    Ok(findings)
}

//! The list of truths: each query names the rows that break one, so a healthy system has none. Pieces are
//! joined by hash or merge, whatever the planner expects; where one thing leads to a few of another, a `LATERAL` with `OFFSET 0`
//! has them looked up by key.

use super::{Key, Truth, shop_truths};

/// Every truth, in the order of the report.
pub const TRUTHS: [Truth; 37] = [
    Truth {
        name: "stock_is_never_oversold",
        pieces: None,
        broken_by: "SELECT 'sku ' || sku_id AS row FROM stock WHERE NOT (0 <= reserved AND reserved <= on_hand)",
    },
    // A cart holds no stock: whatever is set aside belongs to a live hold.
    Truth {
        name: "reserved_is_the_sum_of_live_holds",
        pieces: None,
        broken_by: "SELECT 'sku ' || coalesce(s.sku_id, h.sku_id) AS row
               FROM stock s FULL JOIN (
                    SELECT i.sku_id, sum(i.quantity) AS units FROM orders o JOIN order_items i ON i.order_id = o.id
                     WHERE o.status IN ('held', 'paying') GROUP BY i.sku_id) h ON h.sku_id = s.sku_id
              WHERE coalesce(s.reserved, 0) <> coalesce(h.units, 0)",
    },
    shop_truths::NOBODY_WAITS_FOR_WHAT_IS_FREE,
    shop_truths::WAITING_ORDERS_STAND_IN_LINE,
    shop_truths::NO_LINE_IS_OVERLOOKED,
    Truth {
        name: "on_hand_is_the_sum_of_movements",
        pieces: None,
        broken_by: "SELECT 'sku ' || coalesce(s.sku_id, m.sku_id) AS row
               FROM stock s FULL JOIN (
                    SELECT sku_id, sum(on_hand_change) AS units FROM stock_movements GROUP BY sku_id) m
                    ON m.sku_id = s.sku_id
              WHERE coalesce(s.on_hand, 0) <> coalesce(m.units, 0)",
    },
    Truth {
        name: "sold_units_are_those_of_paid_orders",
        pieces: None,
        broken_by: "SELECT 'order ' || coalesce(p.order_id, m.order_id) AS row
               FROM (SELECT i.order_id, i.sku_id, i.quantity FROM orders o JOIN order_items i ON i.order_id = o.id
                      WHERE o.status IN ('paid', 'partly_refunded', 'refunded')) p
               FULL JOIN (SELECT order_id, sku_id, -sum(on_hand_change) AS quantity FROM stock_movements
                           WHERE reason = 'sold' GROUP BY order_id, sku_id) m
                    ON m.order_id = p.order_id AND m.sku_id = p.sku_id
              WHERE coalesce(p.quantity, 0) <> coalesce(m.quantity, 0)",
    },
    Truth {
        name: "units_bought_are_those_of_paid_orders",
        pieces: Some(Key::Customer),
        broken_by: "SELECT 'sku ' || coalesce(b.sku_id, p.sku_id) || ' of ' || coalesce(b.customer_id, p.customer_id) AS row
               FROM (SELECT * FROM units_bought WHERE customer_id > $1 AND customer_id <= $2) b FULL JOIN (
                    SELECT o.customer_id, moved.sku_id, sum(moved.units) AS units
                      FROM (SELECT id, customer_id FROM orders
                             WHERE customer_id > $1 AND customer_id <= $2
                               AND status IN ('paid', 'partly_refunded', 'refunded')) o
                     CROSS JOIN LATERAL (
                           SELECT sku_id, quantity AS units FROM order_items WHERE order_id = o.id
                           UNION ALL
                           SELECT i.sku_id, -i.quantity FROM refunds r CROSS JOIN LATERAL (
                                  SELECT sku_id, quantity FROM refund_items WHERE refund_id = r.id OFFSET 0) i
                            WHERE r.order_id = o.id AND r.status = 'done') moved
                     GROUP BY o.customer_id, moved.sku_id) p
                    ON p.customer_id = b.customer_id AND p.sku_id = b.sku_id
              WHERE coalesce(b.units, 0) <> coalesce(p.units, 0)",
    },
    Truth {
        name: "paid_means_captured_once_in_full",
        pieces: Some(Key::Order),
        broken_by: "SELECT 'order ' || coalesce(o.id, p.order_id) AS row
               FROM (SELECT id, amount_won FROM orders WHERE status IN ('paid', 'partly_refunded', 'refunded') AND id > $1 AND id <= $2) o
               FULL JOIN (SELECT order_id, count(*) AS times, sum(amount_won) AS amount_won FROM payments
                           WHERE status = 'captured' AND order_id > $1 AND order_id <= $2 GROUP BY order_id) p ON p.order_id = o.id
              WHERE o.id IS NULL OR p.order_id IS NULL OR p.times <> 1 OR p.amount_won <> o.amount_won",
    },
    Truth {
        name: "captured_payments_have_ledger_entries",
        pieces: Some(Key::Payment),
        broken_by: "SELECT 'payment ' || p.id AS row FROM payments p
               LEFT JOIN (SELECT transaction_id,
                                 sum(amount_won) FILTER (WHERE account = 'sales') AS sales,
                                 -sum(amount_won) FILTER (WHERE account = 'gateway') AS card,
                                 -sum(amount_won) FILTER (WHERE account IN ('wallet', 'wallet_reserved')) AS wallet,
                                 -sum(amount_won) FILTER (WHERE account IN ('points', 'points_reserved')) AS points
                            FROM ledger_entries WHERE transaction_id > $1 AND transaction_id <= $2 GROUP BY transaction_id) e
                    ON e.transaction_id = p.id
              WHERE p.id > $1 AND p.id <= $2
                AND (coalesce(e.sales, 0), coalesce(e.card, 0), coalesce(e.wallet, 0), coalesce(e.points, 0))
                 <> CASE WHEN p.status = 'captured' THEN (p.amount_won::numeric, p.card_won::numeric, p.wallet_won::numeric, p.points_won::numeric)
                         ELSE (0::numeric, 0::numeric, 0::numeric, 0::numeric) END",
    },
    Truth {
        name: "only_open_payments_set_money_aside",
        pieces: Some(Key::Transaction),
        broken_by: "SELECT 'payment ' || coalesce(p.id, e.transaction_id) AS row
               FROM (SELECT id, wallet_won, points_won FROM payments
                      WHERE status IN ('requesting', 'unknown') AND wallet_won + points_won > 0 AND id > $1 AND id <= $2) p
               FULL JOIN (SELECT transaction_id,
                                 coalesce(sum(amount_won) FILTER (WHERE account = 'wallet_reserved'), 0) AS wallet,
                                 coalesce(sum(amount_won) FILTER (WHERE account = 'points_reserved'), 0) AS points
                            FROM ledger_entries
                           WHERE account IN ('wallet_reserved', 'points_reserved') AND transaction_id > $1 AND transaction_id <= $2
                           GROUP BY transaction_id) e ON e.transaction_id = p.id
              WHERE coalesce(p.wallet_won, 0) <> coalesce(e.wallet, 0)
                 OR coalesce(p.points_won, 0) <> coalesce(e.points, 0)",
    },
    Truth {
        name: "no_hold_outlives_its_deadline",
        pieces: None,
        broken_by: "SELECT 'order ' || id AS row FROM orders
              WHERE status = 'held' AND expires_at < now() - interval '60 seconds'",
    },
    Truth {
        name: "balances_are_their_entries",
        pieces: Some(Key::Purse),
        broken_by: "SELECT coalesce(b.account, e.account) || ' of ' || coalesce(b.customer_id, e.customer_id) AS row
               FROM (SELECT * FROM balances WHERE customer_id > $1 AND customer_id <= $2) b FULL JOIN (
                    SELECT customer_id, account, sum(amount_won) AS amount_won FROM ledger_entries
                     WHERE customer_id > $1 AND customer_id <= $2 GROUP BY customer_id, account) e
                    ON e.customer_id = b.customer_id AND e.account = b.account
              WHERE coalesce(b.amount_won, 0) <> coalesce(e.amount_won, 0) OR coalesce(b.amount_won, 0) < 0",
    },
    Truth {
        name: "ledger_transactions_sum_to_zero",
        pieces: Some(Key::Transaction),
        broken_by: "SELECT 'transaction ' || transaction_id || ' ' || phase AS row FROM ledger_entries
              WHERE transaction_id > $1 AND transaction_id <= $2 GROUP BY transaction_id, phase HAVING sum(amount_won) <> 0",
    },
    Truth {
        name: "an_order_costs_the_sum_of_its_items",
        pieces: Some(Key::Order),
        broken_by: "SELECT 'order ' || coalesce(o.id, i.order_id) AS row
               FROM (SELECT id, amount_won, status = 'refused' AND refusal ->> 'reason' <> 'wait_ended' AS has_none
                       FROM orders WHERE id > $1 AND id <= $2) o FULL JOIN (
                    SELECT order_id, sum(amount_won) AS amount_won, count(*) AS items FROM order_items
                     WHERE order_id > $1 AND order_id <= $2 GROUP BY order_id) i ON i.order_id = o.id
              WHERE o.id IS NULL OR o.amount_won <> coalesce(i.amount_won, 0)
                 OR o.has_none <> (i.order_id IS NULL)",
    },
    Truth {
        name: "items_are_of_known_skus",
        pieces: Some(Key::Order),
        broken_by: "SELECT 'order ' || i.order_id AS row FROM order_items i
              WHERE i.order_id > $1 AND i.order_id <= $2 AND NOT EXISTS (SELECT FROM skus s WHERE s.id = i.sku_id)",
    },
    Truth {
        name: "every_state_has_its_event",
        pieces: Some(Key::Order),
        broken_by: "SELECT 'order ' || coalesce(o.id, e.order_id) AS row
               FROM (SELECT id, status FROM orders WHERE id > $1 AND id <= $2) o FULL JOIN (
                    SELECT order_id,
                           count(*) FILTER (WHERE type = 'order.waiting' OR type IN ('order.held', 'order.refused')
                                                  AND data ->> 'waiting_since' IS NULL) AS decided,
                           count(*) FILTER (WHERE type = 'order.waiting') AS waited,
                           count(*) FILTER (WHERE data ->> 'waiting_since' IS NOT NULL) AS turned,
                           count(*) FILTER (WHERE type = 'order.paid') AS paid,
                           count(*) FILTER (WHERE type = 'order.expired') AS expired,
                           count(*) FILTER (WHERE type = 'order.cancelled') AS cancelled,
                           -- Late money may pay for an order that expired before.
                           bool_or(type = 'payment.late' AND data ->> 'paid' = 'true') AS late
                      FROM order_events WHERE order_id > $1 AND order_id <= $2 GROUP BY order_id) e ON e.order_id = o.id
              WHERE o.id IS NULL OR e.order_id IS NULL OR e.decided <> 1 OR e.turned > e.waited
                 OR (o.status <> 'cancelled' AND e.waited - e.turned <> (o.status = 'waiting')::int)
                 OR e.paid <> (o.status IN ('paid', 'partly_refunded', 'refunded'))::int
                 OR e.cancelled <> (o.status = 'cancelled')::int
                 OR (e.expired <> (o.status = 'expired')::int AND NOT (e.late AND e.expired = 1))",
    },
    Truth {
        name: "an_order_is_paying_while_a_payment_asks",
        pieces: None,
        broken_by: "SELECT 'order ' || coalesce(o.id, p.order_id) AS row
               FROM (SELECT id FROM orders WHERE status = 'paying') o
               FULL JOIN (SELECT order_id FROM payments WHERE status IN ('requesting', 'unknown')) p
                    ON p.order_id = o.id
              WHERE o.id IS NULL OR p.order_id IS NULL",
    },
    Truth {
        name: "refunds_give_back_what_they_say",
        pieces: Some(Key::Refund),
        broken_by: "SELECT 'refund ' || r.id AS row FROM refunds r
              CROSS JOIN LATERAL (
                         SELECT -sum(amount_won) FILTER (WHERE account = 'sales') AS sales,
                                sum(amount_won) FILTER (WHERE account = 'gateway') AS card,
                                sum(amount_won) FILTER (WHERE account = 'wallet') AS wallet,
                                sum(amount_won) FILTER (WHERE account = 'points') AS points
                           FROM ledger_entries WHERE transaction_id = r.id) e
               LEFT JOIN (SELECT refund_id, sum(amount_won) AS amount_won FROM refund_items
                           WHERE refund_id > $1 AND refund_id <= $2 GROUP BY refund_id) i ON i.refund_id = r.id
              WHERE r.id > $1 AND r.id <= $2 AND (coalesce(i.amount_won, 0) <> r.amount_won
                 OR (coalesce(e.sales, 0), coalesce(e.card, 0), coalesce(e.wallet, 0), coalesce(e.points, 0))
                 <> CASE WHEN r.status = 'done'
                         THEN (r.amount_won::numeric, r.card_won::numeric, r.wallet_won::numeric, r.points_won::numeric)
                         ELSE (0::numeric, 0::numeric, 0::numeric, 0::numeric) END)",
    },
    Truth {
        name: "no_payment_goes_back_more_than_once",
        pieces: Some(Key::Payment),
        broken_by: "SELECT 'payment ' || p.id AS row FROM payments p JOIN (
                    SELECT payment_id, sum(wallet_won) AS wallet, sum(points_won) AS points, sum(card_won) AS card
                      FROM refunds WHERE status <> 'refused' AND payment_id > $1 AND payment_id <= $2 GROUP BY payment_id) r
                    ON r.payment_id = p.id
              WHERE p.id > $1 AND p.id <= $2 AND (p.status <> 'captured' OR r.wallet > p.wallet_won OR r.points > p.points_won OR r.card > p.card_won)",
    },
    Truth {
        name: "what_went_back_is_counted_once",
        pieces: Some(Key::Payment),
        broken_by: "SELECT 'payment ' || p.id AS row FROM payments p
               LEFT JOIN (SELECT payment_id, sum(wallet_won) AS wallet, sum(points_won) AS points, sum(card_won) AS card
                            FROM refunds WHERE status <> 'refused' AND payment_id > $1 AND payment_id <= $2
                           GROUP BY payment_id) r ON r.payment_id = p.id
              WHERE p.id > $1 AND p.id <= $2
                AND (p.returned_wallet_won, p.returned_points_won, p.returned_card_won)
                    <> (coalesce(r.wallet, 0), coalesce(r.points, 0), coalesce(r.card, 0))",
    },
    Truth {
        name: "units_that_went_back_are_counted_once",
        pieces: Some(Key::Order),
        broken_by: "SELECT 'item of order ' || i.order_id AS row FROM order_items i
               LEFT JOIN (SELECT r.order_id, ri.sku_id, sum(ri.quantity) AS units
                            FROM refunds r CROSS JOIN LATERAL (
                                 SELECT sku_id, quantity FROM refund_items WHERE refund_id = r.id OFFSET 0) ri
                           WHERE r.status <> 'refused' AND r.order_id > $1 AND r.order_id <= $2
                           GROUP BY r.order_id, ri.sku_id) b ON b.order_id = i.order_id AND b.sku_id = i.sku_id
              WHERE i.order_id > $1 AND i.order_id <= $2 AND i.returned_units <> coalesce(b.units, 0)",
    },
    Truth {
        name: "an_order_is_refunded_as_far_as_its_refunds_say",
        pieces: Some(Key::Order),
        broken_by: "SELECT 'order ' || o.id AS row FROM orders o
               LEFT JOIN (SELECT order_id, sum(quantity) AS units FROM order_items
                           WHERE order_id > $1 AND order_id <= $2 GROUP BY order_id) i ON i.order_id = o.id
               LEFT JOIN (SELECT r.order_id, sum(i.quantity) AS units, sum(i.amount_won) AS amount_won
                            FROM refunds r CROSS JOIN LATERAL (
                                 SELECT quantity, amount_won FROM refund_items WHERE refund_id = r.id OFFSET 0) i
                           WHERE r.status = 'done' AND r.order_id > $1 AND r.order_id <= $2 GROUP BY r.order_id) b
                    ON b.order_id = o.id
              WHERE o.id > $1 AND o.id <= $2 AND (o.refunded_won <> coalesce(b.amount_won, 0)
                 OR (o.status = 'refunded') <> coalesce(b.units = i.units, false)
                 OR (o.status = 'partly_refunded') <> coalesce(b.units < i.units, false))",
    },
    Truth {
        name: "every_refund_has_its_event",
        pieces: Some(Key::Order),
        broken_by: "SELECT 'refund ' || r.id AS row FROM refunds r
               LEFT JOIN (SELECT command_id, count(*) AS times, sum((data ->> 'amount_won')::bigint) AS amount_won
                            FROM (SELECT * FROM order_events WHERE order_id > $1 AND order_id <= $2 OFFSET 0) of_piece
                           WHERE type = 'order.refunded' GROUP BY command_id) e
                    ON e.command_id = r.id
              WHERE r.order_id > $1 AND r.order_id <= $2 AND (coalesce(e.times, 0), coalesce(e.amount_won, 0))
                 <> CASE WHEN r.status = 'done' THEN (1::bigint, r.amount_won::numeric) ELSE (0::bigint, 0::numeric) END",
    },
    Truth {
        name: "returned_units_are_those_of_refunds",
        pieces: None,
        broken_by: "SELECT 'order ' || coalesce(r.order_id, m.order_id) AS row
               FROM (SELECT r.order_id, i.sku_id, sum(i.quantity) AS units
                       FROM refunds r JOIN refund_items i ON i.refund_id = r.id
                      WHERE r.status = 'done' AND i.restock GROUP BY r.order_id, i.sku_id) r
               FULL JOIN (SELECT order_id, sku_id, sum(on_hand_change) AS units FROM stock_movements
                           WHERE reason = 'returned' GROUP BY order_id, sku_id) m
                    ON m.order_id = r.order_id AND m.sku_id = r.sku_id
              WHERE coalesce(r.units, 0) <> coalesce(m.units, 0)",
    },
    Truth {
        name: "no_open_payment_or_refund_is_forgotten",
        pieces: None,
        broken_by: "SELECT 'payment ' || id AS row FROM payments
              WHERE status IN ('requesting', 'unknown', 'returning')
                AND created_at < now() - interval '10 minutes'
                AND coalesce(last_inquiry_at, created_at) < now() - interval '2 minutes'
             UNION ALL
             SELECT 'refund ' || id FROM refunds
              WHERE status = 'requesting'
                AND created_at < now() - interval '10 minutes'
                AND coalesce(last_inquiry_at, created_at) < now() - interval '2 minutes'",
    },
    Truth {
        // Asked again and again without a definite answer: a person must look.
        name: "nothing_is_open_for_more_than_a_day",
        pieces: None,
        broken_by: "SELECT 'payment ' || id AS row FROM payments
              WHERE status IN ('requesting', 'unknown', 'returning') AND created_at < now() - interval '1 day'
             UNION ALL
             SELECT 'refund ' || id FROM refunds
              WHERE status = 'requesting' AND created_at < now() - interval '1 day'
             UNION ALL
             SELECT 'charge ' || id FROM charges
              WHERE status IN ('requesting', 'unknown', 'returning') AND requested_at < now() - interval '1 day'",
    },
    Truth {
        name: "posted_charges_have_ledger_entries",
        pieces: Some(Key::Charge),
        broken_by: "SELECT 'charge ' || c.id AS row FROM charges c
              CROSS JOIN LATERAL (
                         SELECT sum(amount_won) FILTER (WHERE customer_id IS NOT NULL) AS purse,
                                -sum(amount_won) FILTER (WHERE account = 'gateway') AS card,
                                -sum(amount_won) FILTER (WHERE account IN ('funding', 'promotions')) AS vouched
                           FROM ledger_entries WHERE transaction_id = c.id) e
              WHERE c.id > $1 AND c.id <= $2 AND (coalesce(e.purse, 0), coalesce(e.card, 0), coalesce(e.vouched, 0))
                 <> CASE WHEN c.status <> 'posted' THEN (0::numeric, 0::numeric, 0::numeric)
                         WHEN c.payment_key IS NULL THEN (c.amount_won::numeric, 0::numeric, c.amount_won::numeric)
                         ELSE (c.amount_won::numeric, c.amount_won::numeric, 0::numeric) END",
    },
    Truth {
        name: "no_open_charge_is_forgotten",
        pieces: None,
        broken_by: "SELECT 'charge ' || id AS row FROM charges
              WHERE status IN ('requesting', 'unknown', 'returning')
                AND requested_at < now() - interval '10 minutes'
                AND coalesce(last_inquiry_at, requested_at) < now() - interval '2 minutes'",
    },
    Truth {
        // Only what came back to a wallet, such as a refund, may fill it beyond its limit.
        name: "wallets_keep_their_limit",
        pieces: Some(Key::Purse),
        broken_by: "SELECT 'wallet of ' || customer_id AS row FROM (
                    SELECT customer_id, amount_won FROM balances
                     WHERE account IN ('wallet', 'wallet_reserved') AND customer_id > $1 AND customer_id <= $2
                    UNION ALL
                    SELECT customer_id, amount_won FROM charges
                     WHERE status IN ('requesting', 'unknown') AND customer_id > $1 AND customer_id <= $2
                    UNION ALL
                    SELECT e.customer_id, -e.amount_won FROM ledger_entries e
                     WHERE e.account = 'wallet' AND e.phase = 'posted' AND e.amount_won > 0 AND e.customer_id > $1 AND e.customer_id <= $2
                       AND NOT EXISTS (SELECT FROM charges c WHERE c.id = e.transaction_id OFFSET 0)) AS held
              GROUP BY customer_id HAVING sum(amount_won) > 100000",
    },
    Truth {
        name: "a_payment_key_pays_for_one_thing",
        pieces: Some(Key::Payment),
        broken_by: "SELECT 'key of payment ' || p.id AS row FROM payments p CROSS JOIN LATERAL (
                    SELECT status FROM charges WHERE payment_key = p.payment_key OFFSET 0) c
              WHERE p.id > $1 AND p.id <= $2 AND p.status <> 'declined' AND c.status <> 'declined'",
    },
    Truth {
        name: "customer_totals_are_the_facts_up_to_the_cursor",
        pieces: Some(Key::Customer),
        broken_by: "SELECT 'customer ' || coalesce(t.customer_id, f.customer_id) AS row
               FROM (SELECT * FROM customer_totals WHERE customer_id > $1 AND customer_id <= $2) t FULL JOIN (
                    SELECT o.customer_id,
                           count(*) FILTER (WHERE e.type = 'order.paid')
                           - count(*) FILTER (WHERE e.data ->> 'is_whole' = 'true') AS order_count,
                           sum((e.data ->> 'amount_won')::bigint) FILTER (WHERE e.type = 'order.paid') AS paid_won,
                           sum((e.data ->> 'amount_won')::bigint) FILTER (WHERE e.type = 'order.refunded')
                               AS refunded_won
                      FROM orders o CROSS JOIN LATERAL (
                           SELECT id, type, data, transaction_id FROM order_events WHERE order_id = o.id OFFSET 0) e
                     WHERE o.customer_id > $1 AND o.customer_id <= $2
                       AND e.type IN ('order.paid', 'order.refunded') AND (e.transaction_id, e.id)
                           <= (SELECT from_transaction, last_id FROM relay_cursors WHERE name = 'effects')
                     GROUP BY o.customer_id) f ON f.customer_id = t.customer_id
              WHERE (t.order_count, t.paid_won, t.refunded_won)
                    IS DISTINCT FROM (f.order_count, coalesce(f.paid_won, 0), coalesce(f.refunded_won, 0))",
    },
    Truth {
        name: "sales_are_the_items_of_facts_up_to_the_cursor",
        pieces: None,
        broken_by: "SELECT 'sku ' || coalesce(t.sku_id, f.sku_id) AS row
               FROM (SELECT sku_id, sum(units) AS units, sum(amount_won) AS amount_won FROM sku_sales
                      GROUP BY sku_id) t
               FULL JOIN (
                    SELECT sku_id, sum(units) AS units, sum(amount_won) AS amount_won FROM (
                        SELECT e.transaction_id, e.id, i.sku_id, i.quantity AS units, i.amount_won
                          FROM order_events e JOIN order_items i ON i.order_id = e.order_id
                         WHERE e.type = 'order.paid'
                        UNION ALL
                        SELECT e.transaction_id, e.id, s.id, -(r ->> 'quantity')::integer, -(r ->> 'amount_won')::bigint
                          FROM order_events e CROSS JOIN jsonb_array_elements(e.data -> 'items') AS r
                          JOIN skus s ON s.code = r ->> 'sku'
                         WHERE e.type = 'order.refunded') moved
                     WHERE (transaction_id, id)
                           <= (SELECT from_transaction, last_id FROM relay_cursors WHERE name = 'effects')
                     GROUP BY sku_id) f ON f.sku_id = t.sku_id
              WHERE (t.units, t.amount_won) IS DISTINCT FROM (f.units, f.amount_won)",
    },
    shop_truths::PRODUCTS_SAY_WHAT_THEIR_SKUS_COST,
    shop_truths::PRODUCTS_ARE_FOUND_BY_THEIR_TERMS,
    Truth {
        name: "no_open_effect_is_forgotten",
        pieces: None,
        broken_by: "SELECT kind || ' of event ' || event_id AS row FROM effects
              WHERE status = 'open' AND due_at < now() - interval '10 minutes'",
    },
    shop_truths::A_CART_GIVES_UP_ONLY_WHAT_WAS_HELD,
];

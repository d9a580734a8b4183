-- The past of a shop with holds: {orders} orders of the last 23 hours that all came to their end. Of a hundred, 27 are one
-- customer's and were refused, 33 were due, 40 paid by card, one of them given back. Every truth holds.
CREATE UNLOGGED TABLE past AS
SELECT n, ('00000000-0000-8000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
       CASE WHEN n % 100 < 27 THEN 'whale' ELSE 'c-' || n % 50021 END AS customer_id,
       CASE WHEN n % 100 < 27 THEN 'refused' WHEN n % 100 < 60 THEN 'expired'
            WHEN n % 100 < 99 THEN 'paid' ELSE 'refunded' END::order_status AS status,
       s.id AS sku_id, s.code AS sku_code, s.name,
       ('00000000-0000-8001-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS payment_id,
       ('00000000-0000-8002-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS refund_id,
       now() - interval '1 hour' - ({orders} - n) * (interval '22 hours' / {orders}) AS created_at
  FROM generate_series(1, {orders}) n JOIN skus s ON s.code = 'sku-' || n % 1000;

INSERT INTO orders (id, customer_id, status, amount_won, refunded_won, fingerprint, refusal, created_at, expires_at, closed_at)
SELECT id, customer_id, status, 1000 * (status <> 'refused')::int, 1000 * (status = 'refunded')::int, id,
       CASE WHEN status = 'refused'
            THEN jsonb_build_object('reason', 'out_of_stock', 'shortages', jsonb_build_array()) END,
       created_at, CASE WHEN status <> 'refused' THEN created_at + interval '20 minutes' END,
       created_at + interval '21 minutes'
  FROM past ORDER BY n;
INSERT INTO order_items (order_id, sku_id, position, quantity, unit_price_won, discount_ratio_bp, amount_won, sku_code, name)
SELECT id, sku_id, 1, 1, 1000, 0, 1000, sku_code, name FROM past WHERE status <> 'refused' ORDER BY n;
INSERT INTO order_events (order_id, type, data, occurred_at)
SELECT id, CASE status WHEN 'refused' THEN 'order.refused' ELSE 'order.held' END, '{}', created_at FROM past ORDER BY n;
INSERT INTO order_events (order_id, type, data, occurred_at)
SELECT id, CASE status WHEN 'expired' THEN 'order.expired' ELSE 'order.paid' END,
       CASE WHEN status = 'expired' THEN '{}'
            ELSE jsonb_build_object('payment_id', payment_id, 'amount_won', 1000, 'method', 'card') END,
       created_at + interval '10 minutes'
  FROM past WHERE status <> 'refused' ORDER BY n;
INSERT INTO order_events (order_id, command_id, type, data, occurred_at)
SELECT id, refund_id, 'order.refunded',
       jsonb_build_object('refund_id', refund_id, 'amount_won', 1000, 'is_whole', true, 'items',
           jsonb_build_array(jsonb_build_object('sku', sku_code, 'quantity', 1, 'amount_won', 1000, 'restocked', true))),
       created_at + interval '15 minutes'
  FROM past WHERE status = 'refunded' ORDER BY n;
INSERT INTO payments (id, order_id, status, amount_won, wallet_won, points_won, card_won, payment_key, created_at)
SELECT payment_id, id, 'captured', 1000, 0, 0, 1000, 'past-' || n, created_at + interval '10 minutes'
  FROM past WHERE status IN ('paid', 'refunded') ORDER BY n;
INSERT INTO refunds (id, order_id, payment_id, status, amount_won, wallet_won, points_won, card_won, asked, reason, created_at,
                     closed_at)
SELECT refund_id, id, payment_id, 'done', 1000, 0, 0, 1000, '{}', 'broken', created_at + interval '15 minutes',
       created_at + interval '16 minutes'
  FROM past WHERE status = 'refunded' ORDER BY n;
INSERT INTO refund_items (refund_id, position, sku_id, sku_code, quantity, amount_won, restock)
SELECT refund_id, 1, sku_id, sku_code, 1, 1000, true FROM past WHERE status = 'refunded' ORDER BY n;
INSERT INTO ledger_entries (transaction_id, phase, account, amount_won, created_at)
SELECT payment_id, 'posted', account::ledger_account, amount_won, created_at + interval '10 minutes'
  FROM past CROSS JOIN (VALUES ('sales', 1000), ('gateway', -1000)) entry (account, amount_won)
 WHERE status IN ('paid', 'refunded') ORDER BY n;
INSERT INTO ledger_entries (transaction_id, phase, account, amount_won, created_at)
SELECT refund_id, 'posted', account::ledger_account, amount_won, created_at + interval '15 minutes'
  FROM past CROSS JOIN (VALUES ('sales', -1000), ('gateway', 1000)) entry (account, amount_won)
 WHERE status = 'refunded' ORDER BY n;
INSERT INTO stock_movements (sku_id, order_id, on_hand_change, reason, created_at)
SELECT sku_id, id, -1, 'sold', created_at FROM past WHERE status IN ('paid', 'refunded') ORDER BY n;
INSERT INTO stock_movements (sku_id, order_id, on_hand_change, reason, created_at)
SELECT sku_id, id, 1, 'returned', created_at FROM past WHERE status = 'refunded' ORDER BY n;
INSERT INTO units_bought (customer_id, sku_id, units)
SELECT customer_id, sku_id, count(*) FROM past WHERE status = 'paid' GROUP BY customer_id, sku_id;
UPDATE stock SET on_hand = on_hand - sold.units
  FROM (SELECT sku_id, count(*) AS units FROM past WHERE status = 'paid' GROUP BY sku_id) sold
 WHERE sold.sku_id = stock.sku_id;
INSERT INTO sku_sales (day, sku_id, units, amount_won)
SELECT current_date, sku_id, count(*) FILTER (WHERE status = 'paid'), 1000 * count(*) FILTER (WHERE status = 'paid')
  FROM past WHERE status IN ('paid', 'refunded') GROUP BY sku_id;
INSERT INTO customer_totals (customer_id, order_count, paid_won, refunded_won)
SELECT customer_id, count(*) FILTER (WHERE status = 'paid'), 1000 * count(*), 1000 * count(*) FILTER (WHERE status = 'refunded')
  FROM past WHERE status IN ('paid', 'refunded') GROUP BY customer_id;
DROP TABLE past;

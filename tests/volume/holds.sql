-- A shop with a thousand SKUs and {holds} holds that are not due for a day.
INSERT INTO skus (code, name, price_won) SELECT 'sku-' || n, 'Number ' || n, 1000 FROM generate_series(0, 999) n;
INSERT INTO stock (sku_id, on_hand) SELECT id, 100000000 FROM skus;
INSERT INTO stock_movements (sku_id, on_hand_change, reason) SELECT id, 100000000, 'received' FROM skus;

INSERT INTO orders (id, customer_id, status, amount_won, fingerprint, created_at, expires_at)
SELECT ('ffff0000-0000-8000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'holder-' || n, 'held', 1000, gen_random_uuid(),
       now() - interval '1 minute' - n * interval '1 ms', now() + interval '1 day' + n * interval '1 ms'
  FROM generate_series(1, {holds}) n;
INSERT INTO order_items (order_id, sku_id, position, quantity, unit_price_won, discount_ratio_bp, amount_won, sku_code, name)
SELECT o.id, s.id, 1, 1, 1000, 0, 1000, s.code, s.name
  FROM (SELECT id, row_number() OVER () AS n FROM orders) o JOIN skus s ON s.code = 'sku-' || o.n % 1000;
INSERT INTO order_events (order_id, type, data) SELECT id, 'order.held', '{}' FROM orders;
UPDATE stock SET reserved = (SELECT count(*) FROM order_items i WHERE i.sku_id = stock.sku_id);

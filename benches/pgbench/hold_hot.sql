-- One hold per transaction as one would write it by hand: lock, take, write down. Nothing that Holdfast does
-- beyond it (limits of a customer, repeated requests, notifications, timers) is done here.
\set sku 1
\set customer random(1, 1000000000)
BEGIN;
SELECT s.id AS sku_id, s.code, s.name, s.price_won, st.on_hand - st.reserved AS available
  FROM skus s JOIN stock st ON st.sku_id = s.id
 WHERE s.code = 'sku-' || :sku::text FOR NO KEY UPDATE OF st \gset
UPDATE stock SET reserved = reserved + 1 WHERE sku_id = :sku_id;
INSERT INTO orders (id, customer_id, status, amount_won, fingerprint, expires_at, created_at)
VALUES (gen_random_uuid(), 'customer-' || :customer::text, 'held', :price_won, gen_random_uuid(),
        now() + interval '1200 seconds', now()) RETURNING id AS order_id \gset
INSERT INTO order_items (order_id, sku_id, position, quantity, unit_price_won, discount_ratio_bp, amount_won,
                         sku_code, name)
VALUES (:order_id, :sku_id, 0, 1, :price_won, 0, :price_won, :code, :name);
INSERT INTO order_events (order_id, command_id, type, data)
VALUES (:order_id, :order_id, 'order.held',
        jsonb_build_object('customer_id', 'customer-' || :customer::text, 'amount_won', :price_won::bigint,
                           'expires_at', now() + interval '1200 seconds'));
COMMIT;

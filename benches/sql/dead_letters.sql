-- Dead letters number $1 to $2, of five queues and four classes of error, about 1,000 SKUs and 5,000 customers, a second apart.
INSERT INTO dead_letters (id, message_id, queue, message_type, order_id, error_class, error_text, attempts, body,
                          headers, customer_id, skus, first_died_at, last_died_at)
SELECT gen_random_uuid(), gen_random_uuid(), queue, queue, order_id,
       (ARRAY['gave_up', 'database', 'malformed', 'panic'])[1 + n % 4], 'tried ' || n % 7 || ' times in vain', 1,
       convert_to(json_build_object(
           'version', 1, 'order_id', order_id, 'customer_id', 'c-' || n % 5000, 'hold_seconds', 600,
           'items', json_build_array(json_build_object('sku', 'sku-' || n % 1000, 'quantity', 1)),
           'fingerprint', gen_random_uuid())::text, 'UTF8'),
       '{}', 'c-' || n % 5000, ARRAY['sku-' || n % 1000], now() - n * interval '1 s', now() - n * interval '1 s'
  FROM (SELECT n, gen_random_uuid() AS order_id,
               (ARRAY['order.hold', 'order.cancel', 'order.extend', 'payment.confirm', 'order.refund'])[1 + n % 5]
               AS queue
          FROM generate_series($1, $2) AS n) AS letters

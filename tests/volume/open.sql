-- For each order a card payment, a refund to a card, a charge by card and a mail, all of them open for an hour.
INSERT INTO payments (id, order_id, status, amount_won, wallet_won, points_won, card_won, payment_key, created_at)
SELECT gen_random_uuid(), id, 'requesting', 1000, 0, 0, 1000, 'paid ' || id, now() - interval '1 hour' FROM orders;
INSERT INTO refunds (id, order_id, payment_id, status, amount_won, wallet_won, points_won, card_won, asked, reason, created_at)
SELECT gen_random_uuid(), order_id, id, 'requesting', 1000, 0, 0, 1000, '{}', 'broken', created_at FROM payments;
INSERT INTO charges (id, account, customer_id, amount_won, status, payment_key, requested_at, asked_at)
SELECT gen_random_uuid(), 'wallet', customer_id, 1000, 'requesting', 'charged ' || id, now() - interval '1 hour', now()
  FROM orders;
INSERT INTO effects (event_id, kind, order_id, due_at) SELECT id, 'mail', order_id, now() - interval '1 hour' FROM order_events;

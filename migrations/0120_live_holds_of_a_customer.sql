-- no-transaction
-- The holds that count against a customer's limits, and nothing else: those until their time is up, and those that are being
-- paid for however long that takes. Whatever ended or is overdue lies outside of the range that is read.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_live_by_customer
    ON orders (customer_id, (CASE WHEN status = 'paying' THEN 'infinity'::timestamptz ELSE expires_at END))
 WHERE status IN ('held', 'paying');

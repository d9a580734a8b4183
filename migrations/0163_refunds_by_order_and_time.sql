-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS refunds_by_order_and_time ON refunds (order_id, created_at, id);

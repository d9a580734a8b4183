-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS refunds_open_by_order ON refunds (order_id) WHERE status = 'requesting';
